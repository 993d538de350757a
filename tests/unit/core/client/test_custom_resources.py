"""CustomResourceDefinitions are there once their resources are served."""

import asyncio

import pytest

from kaito.core import KaitoError, Key, Kind, NotFoundError, install_custom_resources, uninstall_custom_resources
from kaito.core.kinds import CUSTOM_RESOURCE_DEFINITION
from kaito.testing import VirtualClock


def definition(plural="widgets", kind="Widget", versions=("v1",)):
    schema = {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{plural}.example.org"},
        "spec": {
            "group": "example.org",
            "scope": "Namespaced",
            "names": {"plural": plural, "singular": kind.lower(), "kind": kind, "listKind": f"{kind}List"},
            "versions": [
                {"name": name, "served": name != "v0", "storage": name == "v1", "schema": schema} for name in versions
            ],
        },
    }


WIDGET = Kind("example.org/v1", "Widget", dict)
NAME = "widgets.example.org"


async def test_objects_can_be_made_as_soon_as_it_is_installed(embedded):
    assert await install_custom_resources(embedded, [definition(versions=("v0", "v1", "v2"))]) == [NAME]
    widget = {"apiVersion": "example.org/v2", "kind": "Widget", "metadata": {"name": "a"}}
    await embedded.create(widget)
    assert await embedded.get(WIDGET, Key("default", "a"))


async def test_an_installed_one_is_updated(embedded):
    await install_custom_resources(embedded, [definition()])
    await install_custom_resources(embedded, [definition(versions=("v1", "v2"))])
    found = await embedded.get(CUSTOM_RESOURCE_DEFINITION, Key("", NAME))
    assert [version["name"] for version in found["spec"]["versions"]] == ["v1", "v2"]


async def test_uninstalling_takes_the_objects_along_and_passes_over_what_is_missing(embedded):
    await install_custom_resources(embedded, [definition()])
    await embedded.create({"apiVersion": "example.org/v1", "kind": "Widget", "metadata": {"name": "a"}})
    await uninstall_custom_resources(embedded, [NAME, "gadgets.example.org"])
    with pytest.raises(NotFoundError):
        await embedded.get(CUSTOM_RESOURCE_DEFINITION, Key("", NAME))
    assert await uninstall_custom_resources(embedded, [NAME]) is None


class Slow:
    """A server that has taken the definition, and what it shows of it."""

    def __init__(self, conditions, resources=()):
        self.conditions, self.resources, self.reads = conditions, resources, 0

    async def apply(self, wanted):
        return wanted

    async def delete(self, kind, key):
        pass

    async def get(self, kind, key):
        self.reads += 1
        return {**definition(), "status": {"conditions": self.conditions}}

    async def request(self, method, path):
        return {"resources": [{"name": name} for name in self.resources]}


ESTABLISHED = [{"type": "NamesAccepted", "status": "True"}, {"type": "Established", "status": "True"}]


@pytest.mark.parametrize(
    ("conditions", "resources", "said"),
    [
        ([], ["widgets"], "NamesAccepted, Established"),
        (
            [{"type": "NamesAccepted", "status": "False", "message": '"Widget" is already in use'}],
            [],
            '"Widget" is already in use',
        ),
        (ESTABLISHED, ["widgets/status"], "it lacks v1"),
    ],
)
async def test_one_that_is_not_served_in_time_says_what_it_lacks(until, conditions, resources, said):
    clock, server = VirtualClock(), Slow(conditions, resources)
    installing = asyncio.create_task(install_custom_resources(server, [definition()], clock=clock, within=5.0))
    while not installing.done():
        await until(lambda: clock.sleeping or installing.done())
        await clock.advance(0.5)
    with pytest.raises(KaitoError) as caught:
        await installing
    assert caught.value.reason == "NotEstablished"
    assert NAME in caught.value.message
    assert said in caught.value.message
    assert server.reads <= 51


async def test_one_that_stays_is_named_with_what_may_hold_it(until):
    clock = VirtualClock()
    removing = asyncio.create_task(uninstall_custom_resources(Slow(ESTABLISHED), [NAME], clock=clock, within=5.0))
    while not removing.done():
        await until(lambda: clock.sleeping or removing.done())
        await clock.advance(0.5)
    with pytest.raises(KaitoError) as caught:
        await removing
    assert caught.value.reason == "NotRemoved"
    assert "finalizer" in caught.value.remedy
