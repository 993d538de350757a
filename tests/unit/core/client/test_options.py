"""What writes say about themselves: as sent, and whose word wins."""

import asyncio

import pytest
from aiohttp import web

from kaito.core import KaitoError, Key, NotFoundError
from kaito.core.client import fenced, recording
from kaito.core.kinds import CONFIG_MAP, NODE, POD

MAPS = "/api/v1/namespaces/ns/configmaps"
CONFIG = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a", "namespace": "ns"}}
KEY = Key("ns", "a")

WRITES = {
    "create": lambda client, **options: client.create(CONFIG, **options),
    "update": lambda client, **options: client.update(CONFIG, **options),
    "patch": lambda client, **options: client.patch(CONFIG_MAP, KEY, {"data": {}}, **options),
    "apply": lambda client, **options: client.apply(CONFIG, **options),
    "create a subresource": lambda client, **options: client.create_subresource(POD, KEY, "eviction", {}, **options),
    "update a subresource": lambda client, **options: client.update_subresource(POD, KEY, "scale", {}, **options),
}


@pytest.fixture(params=WRITES, ids=str)
async def write(request, api):
    """One way to write: sends it and returns the query that the server saw."""
    api.put("a", collection=MAPS)
    if request.param == "create":
        api.remove("a", collection=MAPS)

    api.faults.append(lambda seen: web.json_response({}) if "/pods/" in seen.path else None)

    async def send(client, **options):
        await WRITES[request.param](client, **options)
        params = api.requests[-1][2]
        params.pop("force", None)
        return params

    return send


async def test_a_write_says_who_writes_and_nothing_else(client, write):
    assert await write(client) == {"fieldManager": "test"}


async def test_the_options_of_a_client_are_those_of_its_writes(client, write):
    strict = client.with_options(field_manager="other", field_validation="Strict", dry_run=True)
    assert await write(strict) == {"fieldManager": "other", "fieldValidation": "Strict", "dryRun": "All"}
    assert client.field_manager == "test"


async def test_the_word_of_a_single_write_wins(client, write):
    careful = client.with_options(field_manager="other", field_validation="Strict")
    said = await write(careful, field_manager="mine", field_validation="Ignore")
    assert said == {"fieldManager": "mine", "fieldValidation": "Ignore"}


async def test_options_add_up(client, write):
    both = client.with_options(field_manager="other").with_options(field_validation="Warn")
    assert await write(both) == {"fieldManager": "other", "fieldValidation": "Warn"}


async def test_a_client_that_only_tries_cannot_be_told_otherwise(client, write):
    assert (await write(client.with_options(dry_run=True), dry_run=False))["dryRun"] == "All"


async def test_deletions_are_tried_too(api, client):
    api.put("a", collection=MAPS)
    dry = client.with_options(dry_run=True)
    await dry.delete(CONFIG_MAP, KEY)
    assert api.bodies[-1] == {"apiVersion": "v1", "kind": "DeleteOptions", "dryRun": ["All"]}
    api.put("a", collection=MAPS)
    await client.delete(CONFIG_MAP, KEY, dry_run=True)
    assert api.bodies[-1]["dryRun"] == ["All"]
    with pytest.raises(NotFoundError):
        await dry.request("DELETE", f"{MAPS}/a/x")
    assert api.requests[-1][2] == {"dryRun": "All"}


async def test_what_was_only_tried_is_not_recorded(client, write):
    with recording() as writes:
        await write(client.with_options(dry_run=True))
    assert writes == {}


async def test_the_fence_stands_before_every_client(api, client):
    clients = [client, client.with_options(field_manager="x"), client.with_namespace("ns")]
    refusals = []

    async def attempt(one):
        for write in [*WRITES.values(), lambda c: c.delete(CONFIG_MAP, KEY), lambda c: c.request("POST", "/x")]:
            try:
                await write(one)
            except KaitoError as error:
                refusals.append(error.reason)

    for one in clients:
        await asyncio.create_task(attempt(one), context=fenced(lambda: False))
    assert refusals == ["LeadershipLost"] * (len(WRITES) + 2) * 3
    assert api.requests == []


async def test_writes_through_any_client_are_recorded(client):
    with recording() as writes:
        await client.with_namespace("ns").with_options(field_manager="x").create(CONFIG)
    assert set(writes) == {("v1", "ConfigMap", KEY)}


async def test_an_apply_without_a_field_manager_is_refused_before_any_request(api, client):
    nobody = client.with_options(field_manager="")
    for attempt in (nobody.apply(CONFIG), nobody.patch(CONFIG_MAP, KEY, {}, patch_type="apply")):
        with pytest.raises(KaitoError) as caught:
            await attempt
        assert caught.value.reason == "FieldManagerMissing"
    assert api.requests == []


async def test_a_client_bound_to_a_namespace_stays_in_it(api, client, thing):
    api.put("a", collection=MAPS)
    bound = client.with_namespace("ns")
    assert await bound.get(CONFIG_MAP, Key("", "a"))
    await bound.list(CONFIG_MAP)
    await bound.create({**CONFIG, "metadata": {"name": "b"}})
    await bound.delete(CONFIG_MAP, Key("", "b"))
    assert {path.rpartition("configmaps")[0] for _, path, _ in api.requests} == {"/api/v1/namespaces/ns/"}
    elsewhere = Key("other", "a")
    there = {**CONFIG, "metadata": {"name": "b", "namespace": "other"}}
    attempts = [
        bound.get(CONFIG_MAP, elsewhere),
        bound.list(CONFIG_MAP, "other"),
        bound.create(there),
        bound.update(there),
        bound.apply(there),
        bound.patch(CONFIG_MAP, elsewhere, {}),
        bound.delete(CONFIG_MAP, elsewhere),
        bound.delete_all(CONFIG_MAP, "other"),
    ]
    before = len(api.requests)
    for attempt in attempts:
        with pytest.raises(KaitoError) as caught:
            await attempt
        assert caught.value.reason == "NamespaceMismatch"
        assert "other" in caught.value.message
    assert len(api.requests) == before


async def test_a_bound_client_reaches_what_has_no_namespace(api, client):
    with pytest.raises(NotFoundError):
        await client.with_namespace("ns").get(NODE, Key("", "n"))
    assert api.requests[-1][1] == "/api/v1/nodes/n"
