"""Copies of pull secrets: what is read and written when, and that what is wrong with them stops nothing else."""

import base64
import json

import pytest

from kaito.controllers.workspace.credentials import LARGEST_COPY, RESYNC_SECONDS, CredentialCopier
from kaito.core import AlreadyExistsError, ForbiddenError, InvalidError, Key, NotFoundError, Status
from kaito.testing import VirtualClock

KEY = Key("team", "phi")
COPY = Key("team", "phi-adapter-credentials")
CANARY = "canary-of-a-password"


def login(password=CANARY, key=".dockerconfigjson", content=None):
    content = content if content is not None else {"auths": {"reg.example.org": {"auth": password}}}
    text = content if isinstance(content, str) else json.dumps(content)
    kind = {".dockerconfigjson": "kubernetes.io/dockerconfigjson", ".dockercfg": "kubernetes.io/dockercfg"}[key]
    return {"metadata": {"uid": "login"}, "type": kind, "data": {key: base64.b64encode(text.encode()).decode()}}


class Store:
    """Secrets of one namespace; writes and reads are counted, and fail where the test says so."""

    def __init__(self, **secrets):
        self.secrets = {Key("team", name): secret for name, secret in secrets.items()}
        self.reads, self.writes = [], []
        self.failing = {}

    def _fail(self, verb, key):
        if error := self.failing.get((verb, key.name)):
            raise error(Status(403, error.__name__, "the server's words"))

    async def get(self, _kind, key):
        self.reads.append(key.name)
        self._fail("get", key)
        if key not in self.secrets:
            raise NotFoundError(Status(404, "NotFound", "gone"))
        return self.secrets[key]

    async def create(self, obj):
        key = Key(obj["metadata"]["namespace"], obj["metadata"]["name"])
        self.writes.append(("create", key.name))
        self._fail("create", key)
        self.secrets[key] = {**obj, "metadata": {**obj["metadata"], "uid": "copy"}}

    async def patch(self, _kind, key, body):
        self.writes.append(("patch", key.name))
        assert body["metadata"]["uid"] == "copy"
        data = {**self.secrets[key].get("data", {}), **body["data"]}
        self.secrets[key]["data"] = {name: value for name, value in data.items() if value is not None}

    async def delete(self, _kind, key, *, uid):
        self.writes.append(("delete", key.name))
        assert uid == "copy"
        del self.secrets[key]

    @property
    def copied(self):
        return {name: json.loads(base64.b64decode(value)) for name, value in self.secrets[COPY]["data"].items()}


@pytest.fixture
def copier():
    def make(**secrets):
        store, clock, changed = Store(**secrets), VirtualClock(), []
        return CredentialCopier(store, clock, changed.append), store, clock, changed

    return make


async def test_a_copy_holds_the_logins_and_nothing_else_of_each_secret(a, copier):
    content = {"auths": {"r": {"auth": "x"}}, "credsStore": "desktop"}
    copy, store, _, changed = copier(
        one=login(content=content), old=login(key=".dockercfg", content={"r": {"auth": "y"}})
    )
    await copy.copy(a.workspace(), ("old", "one"))
    assert store.copied == {"one.json": {"auths": {"r": {"auth": "x"}}}, "old.json": {"auths": {"r": {"auth": "y"}}}}
    owners = store.secrets[COPY]["metadata"]["ownerReferences"]
    assert [owner["uid"] for owner in owners] == [a.uid]
    assert changed == [KEY]


async def test_a_copy_that_is_as_it_should_be_is_not_written_again(a, copier):
    copy, store, _, _ = copier(one=login())
    await copy.copy(a.workspace(), ("one",))
    await copy.copy(a.workspace(), ("one",))
    assert store.writes == [("create", COPY.name)]


async def test_a_rotated_password_and_another_list_are_patched_in(a, copier):
    copy, store, _, _ = copier(one=login(), two=login())
    await copy.copy(a.workspace(), ("one",))
    store.secrets[Key("team", "one")] = login("other")
    await copy.copy(a.workspace(), ("one",))
    assert store.copied["one.json"]["auths"]["reg.example.org"]["auth"] == "other"
    await copy.copy(a.workspace(), ("two",))
    assert list(store.copied) == ["two.json"]
    assert [verb for verb, _ in store.writes] == ["create", "patch", "patch"]


WRONG = {
    "not there": (None, "there is no Secret team/one"),
    "of another type": ({"type": "Opaque", "data": {"password": CANARY}}, "'Opaque'"),
    "no JSON": (login(content=CANARY), "no JSON"),
    "not base64": ({**login(), "data": {".dockerconfigjson": f"{CANARY}!"}}, "no JSON"),
    "empty": ({**login(), "data": {}}, "no JSON"),
    "a list": (login(content=[CANARY]), "has no auths"),
    "without auths": (login(content={"password": CANARY}), "has no auths"),
    "too large": (login("x" * LARGEST_COPY), "too large"),
}


@pytest.mark.parametrize("case", WRONG)
async def test_what_is_wrong_with_one_is_said_without_its_content_and_the_others_are_copied(a, copier, case):
    secret, said = WRONG[case]
    copy, store, _, _ = copier(two=login(), **({"one": secret} if secret else {}))
    await copy.copy(a.workspace(), ("two", "one"))
    assert list(store.copied) == ["two.json"]
    problems = copy.known(KEY).problems
    assert list(problems) == ["one"]
    assert said in problems["one"]
    assert CANARY not in problems["one"]


REFUSED = {
    "it may not be read": ("get", "one", ForbiddenError),
    "the copy may not be written": ("create", COPY.name, ForbiddenError),
    "the copy is too large for the server": ("create", COPY.name, InvalidError),
}


@pytest.mark.parametrize("case", REFUSED)
async def test_what_the_server_refuses_is_a_problem_of_the_adapter_and_not_of_the_model(a, copier, case):
    verb, name, error = REFUSED[case]
    copy, store, _, _ = copier(one=login())
    store.failing = {(verb, name): error}
    await copy.copy(a.workspace(), ("one",))
    assert "the server's words" in copy.known(KEY).problems["one"]


async def test_a_secret_of_somebody_else_under_the_copys_name_is_neither_changed_nor_deleted(a, copier):
    copy, store, _, _ = copier(one=login(), **{COPY.name: {"metadata": {"uid": "theirs"}, "data": {"x": "y"}}})
    await copy.copy(a.workspace(), ("one",))
    assert "does not belong to this Workspace" in copy.known(KEY).problems["one"]
    await copy.delete(a.workspace())
    assert store.writes == []


async def test_what_passes_is_raised_so_that_it_is_tried_again(a, copier):
    copy, store, _, changed = copier(one=login())
    store.failing = {("create", COPY.name): AlreadyExistsError}
    with pytest.raises(AlreadyExistsError):
        await copy.copy(a.workspace(), ("one",))
    assert changed == []
    assert copy.known(KEY).secrets == ()


async def test_the_next_look_is_due_after_the_resync_or_sooner_and_sooner_still_where_there_is_doubt(a, copier):
    copy, _, clock, _ = copier(one=login())
    pauses = []
    for _ in range(10):
        await copy.copy(a.workspace(), ("one",))
        pauses.append(copy.known(KEY).doubted_in)
        assert copy.known(KEY).due_in == RESYNC_SECONDS
        await clock.advance(pauses[-1])
    assert pauses == [2, 4, 8, 16, 32, 64, 128, 240, 240, 240]
    await clock.advance(RESYNC_SECONDS - pauses[-1])
    assert copy.known(KEY).due_in == 0
    await copy.copy(a.workspace(), ("one",))
    assert copy.known(KEY).doubted_in == 2
    copy.forget(KEY)
    assert copy.known(KEY).due_in == 0


async def test_a_copy_that_is_gone_needs_no_deletion(a, copier):
    copy, store, _, _ = copier(one=login())
    await copy.delete(a.workspace())
    assert store.writes == []
    await copy.copy(a.workspace(), ("one",))
    await copy.delete(a.workspace())
    assert COPY not in store.secrets
