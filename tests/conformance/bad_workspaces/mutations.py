"""Generated Workspaces: a good one, some of whose fields have got other values, sensible and not."""

import copy
from typing import Any, Final

from hypothesis import strategies as st

from bad_workspaces.row import GOOD

SEED: Final = 20260102
"""Of the short form of every generated test; the long form (`-m soak`) draws its own and prints it."""

FIELDS: Final = (
    *("resource", "resource.instanceType", "resource.count", "resource.labelSelector", "resource.preferredNodes"),
    *("resource.labelSelector.matchLabels", "resource.labelSelector.matchExpressions", "resource.partition"),
    *("resource.labelSelector.matchLabels.apps", "metadata.labels", "metadata.annotations", "metadata.name"),
    *("inference", "inference.preset", "inference.preset.name", "inference.preset.accessMode", "inference.config"),
    *("inference.preset.presetOptions", "inference.preset.presetOptions.modelAccessSecret", "inference.template"),
    *("inference.adapters", "inference.adapters.0", "inference.adapters.0.source", "inference.adapters.0.strength"),
    *("inference.adapters.0.source.name", "inference.adapters.0.source.image", "inference.adapters.0.source.urls"),
    *("inference.adapters.1.source.name", "inference.adapters.1.source.volumeSource", "inference.adapters.1.strength"),
    *("tuning", "tuning.method", "tuning.preset.name", "tuning.input", "tuning.input.urls", "tuning.input.name"),
    *("tuning.output", "tuning.output.image", "tuning.output.imagePushSecret", "tuning.output.volumeSource"),
)

WORDS: Final = (
    *("", " ", "a", "A", "1", "-a", "a-", "a.b", "a..b", "a_b", "a/b", "../a", "good", "x" * 54, "x" * 63, "x" * 64),
    *("x" * 300, "phi-3-mini-4k-instruct", "microsoft/Phi-3-mini-4k-instruct", "falcon-7b", "llama-3.1-8b-instruct"),
    *("Standard_NC6s_v3", "Standard_NC24ads_A100_v4", "standard_nc24ads_a100_v4", "lora", "qlora", "QLoRA", "0.5", "1"),
    *("1.0", "2", "registry.example.org/a:1", "https://example.org/a", "http://127.0.0.1/", "A_HERE", "{{ name }}"),
    *("$(HOME)", "a: b", "- a", "&a *a", "'", '"', "\\", "#", "\n", "a\nb", "\t", "\u0000", "\u2028", "é", "я", "🚀"),
    *("true", "null", "~", "1e3", "0x1f", "012", "%s", "!!python/object", "<b>", "a" * 253),
)

VOLUMES: Final = (
    *({}, {"emptyDir": {}}, {"hostPath": {"path": "/a"}}, {"hostPath": {"path": "/a", "type": "Directory"}}),
    *({"hostPath": {"path": "/a: {b}\n#"}}, {"hostPath": {"path": ".."}}, {"hostPath": {}}, {"hostPath": None}),
    *({"persistentVolumeClaim": {"claimName": "a", "readOnly": True}}, {"persistentVolumeClaim": {"claimName": "A"}}),
    *({"nfs": {"server": "s", "path": "/p"}}, {"nfs": {"server": "", "path": "p"}}, {"secret": {"secretName": "s"}}),
    *({"configMap": {"name": "c", "items": [{"key": "k", "path": "p", "mode": 0o644}], "optional": True}},),
    *({"csi": {"driver": "d", "volumeAttributes": {"a": "b"}}}, {"azureFile": {"secretName": "s", "shareName": "n"}}),
    *({"image": {"reference": "registry.example.org/a:1", "pullPolicy": "Always"}}, {"unheardOf": {"a": 1}}),
    {"azureDisk": {"diskName": "d", "diskURI": "/subscriptions/s", "kind": "Managed"}},
    *({"azureDisk": {"diskName": "d", "diskURI": "u"}}, {"hostPath": {"path": "/a"}, "nfs": {}}, {"secret": {}}),
)

TREES: Final = (
    *({"matchLabels": {"apps": "x"}}, {"matchExpressions": [{"key": "a", "operator": "In", "values": ["b"]}]}),
    *({"matchExpressions": [{"key": "a", "operator": "Exists"}]}, {"apps": "x"}, {"a b": "x"}, {"a/b": "-"}),
    *({"kaito.sh/workspace": "x", "apps": "y"}, {"kubernetes.io/os": "linux"}, {"mode": "mig", "profile": "1g.10gb"}),
    *(
        {"mode": "accelerator", "count": 2},
        {"mode": "mig"},
        {"modelAccessSecret": "token"},
        {"imagePullSecrets": ["s"]},
    ),
    *({"name": "falcon-7b"}, {"name": "phi-3-mini-128k-instruct", "accessMode": "private"}, {"preset": {"name": "a"}}),
    *({"spec": {"containers": [{"name": "a", "image": "b"}]}}, {"source": {"name": "a"}}, {"image": "a"}),
)

LISTS: Final = (
    *([], [""], ["a"], ["a", "a"], [1], [None], [{}], ["https://example.org/a", "ftp://example.org/b"], ["x"] * 70),
    [{"source": {"name": f"a{number}", "volumeSource": {"hostPath": {"path": f"/{number}"}}}} for number in range(10)],
    [{"source": {"name": "same", "image": "a"}}, {"source": {"name": "same", "image": "b"}}],
)

VALUES: Final = st.one_of(
    st.sampled_from(WORDS),
    st.sampled_from(WORDS),
    st.text(max_size=20),
    st.from_regex(r"[a-z][-a-z0-9]{0,20}", fullmatch=True),
    st.sampled_from([0, 1, 2, 1000, 1001, -1, 1 << 31, 1 << 53, 0.5, 1.0, True, False]),
    st.sampled_from(VOLUMES),
    st.sampled_from(TREES),
    st.sampled_from(LISTS),
)


@st.composite
def workspaces(draw: st.DrawFn, most: int = 3) -> dict[str, Any]:
    """A good Workspace with up to `most` fields replaced, removed, or put where there were none."""
    document = copy.deepcopy(GOOD[draw(st.sampled_from(sorted(GOOD)))])
    for path in draw(st.lists(st.sampled_from(FIELDS), max_size=most)):
        _put(document, path.split("."), draw(VALUES), remove=draw(st.integers(0, 4)) == 0)
    return document


def _put(target: Any, steps: list[str], value: Any, *, remove: bool) -> None:
    """Set a field, if there is a place for it."""
    *parents, last = steps
    for step in parents:
        if isinstance(target, list):
            if int(step) >= len(target) if step.isdigit() else True:
                return
            target = target[int(step)]
        elif isinstance(target, dict):
            target = target.setdefault(step, {})
        else:
            return
    if isinstance(target, dict):
        if remove:
            target.pop(last, None)
        else:
            target[last] = copy.deepcopy(value)
    elif isinstance(target, list) and last.isdigit() and int(last) < len(target):
        target[int(last)] = copy.deepcopy(value)


def _word(alphabet: str, ends: str, most: int) -> st.SearchStrategy[str]:
    """A text of these characters that begins and ends with one of `ends`."""
    end = st.sampled_from(ends)
    return st.one_of(
        st.builds(lambda first, text, last: first + text + last, end, st.text(alphabet, max_size=most - 2), end), end
    )


LETTERS, DIGITS = "abcxyz", "0129"
LABEL_NAMES: Final = _word(LETTERS + "ABC" + DIGITS + "-_.", LETTERS + "AZ" + DIGITS, 63)
LABEL_KEYS: Final = st.builds(
    lambda domain, name: domain + name,
    st.sampled_from([*["", "example.org/", "a.b-c.d/"] * 12, "kubernetes.io/", "kaito.sh/", "karpenter.sh/"]),
    LABEL_NAMES,
)
OBJECT_NAMES: Final = _word(LETTERS + DIGITS + "-", LETTERS + DIGITS, 253)
WORKSPACE_NAMES: Final = st.builds(
    lambda first, rest: first + rest, st.sampled_from(LETTERS), _word(LETTERS + DIGITS + "-", LETTERS + DIGITS, 53)
)
ADAPTERS: Final = st.builds(
    lambda name, volume, strength: {
        "source": {"name": name, "volumeSource": volume},
        **({"strength": strength} if strength else {}),
    },
    OBJECT_NAMES,
    st.sampled_from([*[volume for volume in VOLUMES if str(volume).count("'") > 4] * 2, *VOLUMES]),
    st.sampled_from([None, "1", "1.0", "1.00"]),
)


@st.composite
def plausible(draw: st.DrawFn) -> dict[str, Any]:
    """A Workspace with odd but mostly allowed values wherever there is a choice, and perhaps one that is not."""
    labels = draw(st.dictionaries(LABEL_KEYS, st.one_of(LABEL_NAMES, st.just("")), min_size=1, max_size=5))
    document = {
        **copy.deepcopy(GOOD["inference"]),
        "apiVersion": draw(st.sampled_from(["kaito.sh/v1alpha1", "kaito.sh/v1beta1"])),
        "metadata": {"name": draw(WORKSPACE_NAMES)},
    }
    document["resource"]["labelSelector"] = {"matchLabels": labels}
    presets = ("phi-3-mini-4k-instruct", "Phi-3-Mini-128k-Instruct", "microsoft/phi-3-mini-4k-instruct", "falcon-7b")
    document["inference"]["preset"]["name"] = draw(st.sampled_from(presets))
    if draw(st.booleans()):
        adapters = st.lists(ADAPTERS, min_size=1, max_size=4, unique_by=lambda one: one["source"]["name"])
        document["inference"]["adapters"] = draw(adapters)
    if draw(st.booleans()):
        document["inference"]["config"] = draw(OBJECT_NAMES)
    if draw(st.booleans()):
        document["inference"]["preset"]["presetOptions"] = {"modelAccessSecret": "token"}
    if draw(st.integers(0, 4)) == 0:
        _put(document, draw(st.sampled_from(FIELDS)).split("."), draw(VALUES), remove=False)
    return document
