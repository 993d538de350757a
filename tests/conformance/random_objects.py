"""Random objects and edits, and what a server makes of the patches that the client computes for them."""

import copy
import random
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from kaito.core import Client, Key, Kind, Object, install_custom_resources, json_patch_from, merge_from, parse_selector
from kaito.core.kinds import CONFIG_MAP, DEPLOYMENT

FREE = Kind("free.example.org/v1", "Free", dict, "frees", True)
NAMES = ("a", "b", "c/d", "~e", "f.g", "ü", "0", "-")
DEFINITION: Object = {
    "apiVersion": "apiextensions.k8s.io/v1",
    "kind": "CustomResourceDefinition",
    "metadata": {"name": "frees.free.example.org"},
    "spec": {
        "group": "free.example.org",
        "scope": "Namespaced",
        "names": {"plural": "frees", "singular": "free", "kind": "Free", "listKind": "FreeList"},
        "versions": [
            {
                "name": "v1",
                "served": True,
                "storage": True,
                "schema": {
                    "openAPIV3Schema": {
                        "type": "object",
                        "properties": {"spec": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}},
                    }
                },
            }
        ],
    },
}


@contextmanager
def repeatable(seed: int) -> Iterator[random.Random]:
    """Give out chance; a failure says what repeats it."""
    try:
        yield random.Random(seed)
    except BaseException:
        print(f"seed {seed}")
        raise


def value(chance: random.Random, depth: int = 3) -> Any:
    """Return a JSON value without null, which servers take for nothing."""
    choice = chance.randrange(8 if depth else 4)
    if choice == 0:
        return chance.randrange(-2, 3)
    if choice == 1:
        return chance.choice(["", "x", "1", "true", "ünï\n", "~0/1"])
    if choice in (2, 3):
        return chance.random() < 0.5
    if choice == 4:
        return [value(chance, depth - 1) for _ in range(chance.randrange(4))]
    return {name: value(chance, depth - 1) for name in chance.sample(NAMES, chance.randrange(4))}


def edited(chance: random.Random, before: Any, depth: int = 3) -> Any:
    """Return something like `before`: some of it changed, some gone, some new."""
    if isinstance(before, dict) and before and chance.random() < 0.9:
        after = {name: edited(chance, inner, depth - 1) for name, inner in before.items() if chance.random() < 0.8}
        if depth > 0 and chance.random() < 0.4:
            after[chance.choice(NAMES)] = value(chance, depth - 1)
        return after
    if isinstance(before, list) and before and chance.random() < 0.7:
        after_list = [edited(chance, item, depth - 1) for item in before if chance.random() < 0.8]
        chance.shuffle(after_list)
        return after_list
    return copy.deepcopy(before) if chance.random() < 0.7 or depth <= 0 else value(chance, depth - 1)


def tree(chance: random.Random) -> Object:
    """Return the content of an object."""
    return {name: value(chance) for name in chance.sample(NAMES, chance.randrange(1, 6))}


def filled(item: Any) -> Any:
    """Return `item` without empty maps: an apply that takes the last field out of a map leaves null behind."""
    if not isinstance(item, dict):
        return item
    kept = {name: filled(inner) for name, inner in item.items()}
    return {name: inner for name, inner in kept.items() if inner != {}}


def free(name: str, namespace: str, spec: Object, **metadata: Any) -> Object:
    return {
        "apiVersion": FREE.api_version,
        "kind": FREE.kind,
        "metadata": {"name": name, "namespace": namespace, **metadata},
        "spec": spec,
    }


def as_wanted(found: Object, wanted: Object) -> None:
    """Fail unless the server has exactly what was wanted, but for what it keeps itself."""
    own = ("resourceVersion", "generation", "managedFields")
    parts = []
    for obj in (found, wanted):
        metadata = {name: inner for name, inner in obj["metadata"].items() if name not in own and inner not in ({}, [])}
        parts.append({**obj, "metadata": metadata})
    assert parts[0] == parts[1]


async def computed_patches_give_what_is_wanted(client: Client, namespace: str, seed: int) -> None:
    """Merge and JSON patches of a free-form object and its metadata."""
    with repeatable(seed) as chance:
        base = await client.create(free(f"free-{seed}", namespace, tree(chance), annotations={"a": "1", "b/c": "2"}))
        key = Key(namespace, base["metadata"]["name"])
        for number in range(3):
            wanted = {**copy.deepcopy(base), "spec": edited(chance, base["spec"])}
            if not isinstance(wanted["spec"], dict):
                wanted["spec"] = {}
            wanted["metadata"]["annotations"] = {name: str(number) for name in chance.sample(("a", "b/c", "d"), 2)}
            locked = chance.random() < 0.5
            if number % 2 == 0:
                base = await client.patch(FREE, key, merge_from(base, wanted, optimistic_lock=locked))
            else:
                operations = json_patch_from(base, wanted, optimistic_lock=locked)
                base = await client.patch(FREE, key, operations, patch_type="json")
            as_wanted(base, wanted)
            assert await client.get(FREE, key) == base


async def computed_patches_of_a_deployment_give_what_is_wanted(client: Client, namespace: str, seed: int) -> None:
    """Merge and JSON patches of a built-in kind, with its defaults and lists."""

    def containers() -> list[Object]:
        names = chance.sample("XYZ", chance.randrange(3))
        env = [{"name": name, "value": chance.choice("123")} for name in names]
        return [{"name": "c", "image": f"i:{chance.randrange(3)}", **({"env": env} if env else {})}]

    with repeatable(seed) as chance:
        labels = {"app": "x"}
        template = {"metadata": {"labels": labels}, "spec": {"containers": containers()}}
        metadata = {"name": f"deployment-{seed}", "namespace": namespace}
        spec = {"replicas": 0, "selector": {"matchLabels": labels}, "template": template}
        named: Object = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata}
        await client.create({**named, "spec": spec})
        key = Key(namespace, metadata["name"])
        for patch_type in chance.sample(("merge", "json", "merge"), 3):
            base = await client.get(DEPLOYMENT, key)
            wanted = copy.deepcopy(base)
            pod = wanted["spec"]["template"]["spec"]
            pod["containers"] = [{**pod["containers"][0], **containers()[0]}]
            pod["terminationGracePeriodSeconds"] = chance.randrange(60)
            wanted["metadata"]["labels"] = dict.fromkeys(chance.sample("abc", 2), "1")
            differs = merge_from(base, wanted) if patch_type == "merge" else json_patch_from(base, wanted)
            found = await client.patch(DEPLOYMENT, key, differs, patch_type=patch_type)
            assert found["spec"] == wanted["spec"]
            assert found["metadata"]["labels"] == wanted["metadata"]["labels"]


async def an_apply_gives_what_is_applied(client: Client, namespace: str, seed: int) -> None:
    """Each apply takes away what the one before said and it does not."""
    with repeatable(seed) as chance:
        spec = filled(tree(chance)) or {"a": 1}
        for number in range(3):
            applied = free(f"applied-{seed}", namespace, spec, labels={"n": str(number)})
            found = await client.apply(applied)
            assert found["spec"] == spec
            assert found["metadata"]["labels"] == {"n": str(number)}
            assert (await client.get(FREE, Key(namespace, f"applied-{seed}")))["spec"] == spec
            spec = filled(edited(chance, spec)) or {"b": 1}
            if not isinstance(spec, dict):
                spec = {"c": spec}


LABELS = ("a", "b", "x.org/c")
VALUES = ("", "1", "2", "10", "x", "x-y.z_0")


def requirement(chance: random.Random) -> str:
    """Return one condition of a label selector."""
    name = chance.choice(LABELS)
    values = ",".join(chance.sample(VALUES[1:], chance.randrange(1, 4)))
    return chance.choice(
        (
            f"{name}={chance.choice(VALUES)}",
            f"{name}=={chance.choice(VALUES)}",
            f"{name}!={chance.choice(VALUES)}",
            f"{name} in ({values})",
            f"{name} notin ({values})",
            f"{name} in (,{values})",
            name,
            f"!{name}",
            f"{name}>{chance.randrange(12)}",
            f"{name}<{chance.randrange(12)}",
        )
    )


async def selectors_select_what_the_server_selects(client: Client, namespace: str, seed: int, count: int) -> None:
    """What `Selector.matches` says of labels is what the server lists."""
    with repeatable(seed) as chance:
        labels: dict[str, dict[str, str]] = {}
        for number in range(12):
            name = f"labelled-{seed}-{number}"
            labels[name] = {label: chance.choice(VALUES) for label in chance.sample(LABELS, chance.randrange(4))}
            metadata = {"name": name, "namespace": namespace, "labels": {**labels[name], "seed": str(seed)}}
            await client.create({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata})
        for _ in range(count):
            text = ",".join(requirement(chance) for _ in range(chance.randrange(1, 4)))
            selector = parse_selector(text)
            expected = {name for name, theirs in labels.items() if selector.matches(theirs)}
            for form in (text, str(selector)):
                listed = await client.list(CONFIG_MAP, namespace, labels=f"{form},seed={seed}")
                assert {item["metadata"]["name"] for item in listed.items} == expected, form


async def prepare(client: Client) -> None:
    """Install the kind of the free-form objects."""
    await install_custom_resources(client, [DEFINITION])
