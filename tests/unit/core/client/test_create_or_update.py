"""Get, change, write what changed: the right requests and the right word."""

import pytest

from kaito.core import ConflictError, KaitoError, Key, Written, create_or_patch, create_or_update
from kaito.core.kinds import CONFIG_MAP, DEPLOYMENT

KEY = Key("default", "web")
NAMED = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web", "namespace": "default"}}
MAP = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "web", "namespace": "default"}}


def desired(obj):
    labels = {"app": "web"}
    obj.setdefault("spec", {}).setdefault("selector", {"matchLabels": labels})
    containers = [{"name": "c", "image": "nginx"}]
    obj["spec"].setdefault("template", {"metadata": {"labels": labels}, "spec": {"containers": containers}})


def spec(obj):
    desired(obj)
    obj["spec"]["replicas"] = 3


def status(obj):
    obj["status"]["replicas"] = 2


def both(obj):
    obj["spec"]["replicas"] = 4
    obj["status"]["replicas"] = 3


def nothing(_):
    pass


class Requests:
    """The writes that a client sends, as method and last part of the path."""

    def __init__(self, client):
        self.sent = []
        send = client._transport.request

        async def request(method, path, **arguments):
            if method != "GET":
                self.sent.append(f"{method} {path.rpartition('/')[2]}")
            return await send(method, path, **arguments)

        client._transport.request = request


@pytest.mark.parametrize("write", [create_or_update, create_or_patch])
async def test_what_is_missing_is_created_and_what_is_as_it_should_be_is_left_alone(embedded, write):
    requests = Requests(embedded)
    created, word = await write(embedded, NAMED, desired)
    assert (word, requests.sent) == ("created", ["POST deployments"])
    assert created["metadata"]["uid"]
    assert NAMED["metadata"] == {"name": "web", "namespace": "default"}
    assert "spec" not in NAMED
    same, word = await write(embedded, NAMED, desired)
    assert (word, requests.sent) == ("unchanged", ["POST deployments"])
    assert same["metadata"]["uid"] == created["metadata"]["uid"]


async def test_a_change_is_updated_whole(embedded):
    await create_or_update(embedded, NAMED, desired)
    requests = Requests(embedded)
    written, word = await create_or_update(embedded, NAMED, spec)
    assert (word, requests.sent) == (Written.UPDATED, ["PUT web"])
    assert written["spec"]["replicas"] == 3


@pytest.mark.parametrize(
    ("mutate", "word", "sent"),
    [
        (nothing, "unchanged", []),
        (spec, "updated", ["PATCH web"]),
        (status, "updatedStatusOnly", ["PATCH status"]),
        (both, "updatedStatus", ["PATCH web", "PATCH status"]),
    ],
)
async def test_spec_and_status_are_patched_where_they_change(embedded, mutate, word, sent):
    await create_or_patch(embedded, NAMED, desired)
    await embedded.patch(DEPLOYMENT, KEY, {"status": {"replicas": 1}}, subresource="status")
    requests = Requests(embedded)
    written, said = await create_or_patch(embedded, NAMED, mutate)
    assert (said, requests.sent) == (word, sent)
    assert written == await embedded.get(DEPLOYMENT, KEY)
    assert (await create_or_patch(embedded, NAMED, mutate))[1] is Written.UNCHANGED


@pytest.mark.parametrize("write", [create_or_update, create_or_patch])
@pytest.mark.parametrize("field", ["name", "namespace"])
@pytest.mark.parametrize("exists", [True, False])
async def test_a_change_of_name_or_namespace_is_an_error_and_writes_nothing(embedded, write, field, exists):
    if exists:
        await embedded.create(MAP)
    requests = Requests(embedded)

    def rename(obj):
        obj["metadata"][field] = "other"

    with pytest.raises(KaitoError) as caught:
        await write(embedded, MAP, rename)
    assert caught.value.reason == "ObjectRenamed"
    assert requests.sent == []


async def test_an_update_of_what_changed_meanwhile_is_a_conflict_and_a_patch_is_not(embedded):
    await embedded.create({**MAP, "data": {"ours": "1"}})
    get = embedded.get

    async def get_and_be_overtaken(kind, key):
        found = await get(kind, key)
        await embedded.patch(CONFIG_MAP, key, {"data": {"theirs": found["metadata"]["resourceVersion"]}})
        return found

    def ours(obj):
        obj["data"]["ours"] = "2"

    embedded.get = get_and_be_overtaken
    with pytest.raises(ConflictError):
        await create_or_update(embedded, MAP, ours)
    written, word = await create_or_patch(embedded, MAP, ours)
    assert word is Written.UPDATED
    assert written["data"]["ours"] == "2"
    assert "theirs" in written["data"]
