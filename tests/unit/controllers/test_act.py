"""What is written, in which order, and what an answer of the API server means."""

import pytest

from kaito.controllers.workspace import WorkspaceReconciler, decide
from kaito.controllers.workspace.act import Actor
from kaito.controllers.workspace.credentials import CredentialCopier
from kaito.controllers.workspace.known import NO_CREDENTIALS
from kaito.controllers.workspace.ownership import NameTakenError
from kaito.controllers.workspace.reconciler import _refusal
from kaito.core import (
    AlreadyExistsError,
    CacheEntry,
    ConflictError,
    ForbiddenError,
    Key,
    Metadata,
    NotFoundError,
    OwnerReference,
    Status,
)
from kaito.testing import VirtualClock

KEY = Key("team", "phi")


def answer(kind, code=409):
    return kind(Status(code, kind.__name__, "the server's words"))


class Recorder:
    """A client that writes down what it is asked, and fails where the test says so."""

    def __init__(self, **failures):
        self.calls = []
        self.failures = failures
        self.secret = {"metadata": {}}
        self.forced = {}

    def _call(self, verb, what):
        self.calls.append((verb, what))
        failure = self.failures.get(f"{verb}_{what}") or self.failures.get(verb)
        if failure is not None:
            raise failure

    async def create(self, obj):
        self._call("create", obj["kind"])

    async def apply(self, obj, *, owner=None, subresource="", force=True):
        self._call("apply", subresource or obj["kind"])
        self.last = obj
        self.forced[subresource or obj["kind"]] = force

    async def patch(self, _kind, _key, body):
        self.body = body
        self._call("patch", "Workspace")

    async def delete(self, kind, _key, *, uid, propagation):
        assert uid
        self._call("delete", kind.kind)

    async def get(self, _kind, _key):
        return self.secret


class Cached:
    """A cache in which every child of the Workspace belongs to `owner`; without one there are no children."""

    def __init__(self, owner=""):
        self._owner = owner

    def entry(self, kind, key):
        if not self._owner:
            return None
        owner = OwnerReference("kaito.sh/v1alpha1", "Workspace", "phi", self._owner, controller=True)
        return CacheEntry(kind, Metadata(name=key.name, namespace=key.namespace, owner_references=(owner,)), b"{}")


async def run(a, client, snapshot, cache=None):
    await actor_of(client, cache).act(snapshot, decide(snapshot, a.now))
    return client.calls


def actor_of(client, cache=None):
    credentials = CredentialCopier(client, VirtualClock(), lambda _key: None)
    return Actor(client, cache or Cached(), lambda: "token", credentials)


async def test_nothing_is_bought_before_the_finalizer_is_written(a):
    calls = await run(a, Recorder(), a.snapshot(a.workspace(finalizers=())))
    assert calls == [("patch", "Workspace"), ("create", "Machine"), ("apply", "status")]


async def test_a_finalizer_that_cannot_be_written_stops_the_purchase(a):
    client = Recorder(patch=answer(ConflictError))
    with pytest.raises(ConflictError):
        await run(a, client, a.snapshot(a.workspace(finalizers=())))
    assert client.calls == [("patch", "Workspace")]
    assert client.body["metadata"]["resourceVersion"] == "7"


async def test_a_claim_that_is_there_already_was_made_before(a):
    calls = await run(a, Recorder(create=answer(AlreadyExistsError)), a.snapshot())
    assert calls == [("create", "Machine"), ("apply", "status")]


@pytest.mark.parametrize("gone", [NotFoundError, ConflictError])
async def test_what_is_gone_or_another_by_now_need_not_be_deleted(a, gone):
    calls = await run(a, Recorder(delete=answer(gone)), a.serving(a.workspace(deleted=True)))
    assert [call for call in calls if call[0] == "delete"] == [("delete", "Deployment"), ("delete", "Machine")]


async def test_the_status_carries_the_uid_so_that_it_never_makes_a_workspace(a):
    client = Recorder()
    await run(a, client, a.snapshot())
    assert client.last["metadata"]["uid"] == a.uid
    assert client.last["status"]["phase"] == "ClaimingNodes"


async def test_a_status_that_is_as_before_is_not_written(a):
    status = decide(a.serving(), a.now).status
    client = Recorder()
    await run(a, client, a.serving(a.workspace(status=status.wire())))
    assert ("apply", "status") not in client.calls


async def test_a_secret_of_somebody_else_is_not_taken_for_ours(a):
    client = Recorder(create_Secret=answer(AlreadyExistsError))
    client.secret = {"metadata": {"ownerReferences": [{"uid": "another"}]}}
    with pytest.raises(NameTakenError) as caught:
        await run(a, client, a.serving(deployment=None))
    assert "Secret phi-admin" in caught.value.message
    assert ("apply", "Deployment") not in client.calls


async def test_our_own_secret_of_a_try_before_is_ours(a):
    client = Recorder(create_Secret=answer(AlreadyExistsError))
    client.secret = {"metadata": {"ownerReferences": [{"uid": a.uid}]}}
    assert ("apply", "Deployment") in await run(a, client, a.serving(deployment=None))


class Surroundings:
    """What the reconciler needs beside the client."""

    statuses = refused = {}  # noqa: RUF012

    def __init__(self, snapshot, now):
        self.snapshot = snapshot
        self.moment = now
        self.events = []

    def gather(self, _key, _known):
        return self.snapshot

    @property
    def follower(self):
        return self

    pusher = follower

    def known(self, _key):
        return NO_CREDENTIALS

    def follow(self, _key, _pods):
        pass

    def tell(self, _key, _errands, _alive):
        pass

    def saw(self, _key, _before, _after):
        pass

    def now(self):
        return self.moment

    def record(self, _obj, type_, reason, message):
        self.events.append((type_, reason, message))


async def test_a_refused_write_is_on_the_workspace_and_is_tried_again(a):
    around = Surroundings(a.snapshot(), a.now)
    client = Recorder(create=answer(ForbiddenError, 403))
    reconciler = WorkspaceReconciler(around, actor_of(client), around, around, around, around, around)
    with pytest.raises(ForbiddenError):
        await reconciler.reconcile(KEY)
    status = client.last["status"]
    assert status["lastFailure"]["reason"] == "WriteRefused"
    assert "the server's words" in status["message"]
    assert status["phase"] == "ClaimingNodes"
    assert [event[1] for event in around.events] == ["WriteRefused", "ClaimingNodes"]


def test_every_refusal_has_a_remedy():
    for error in (answer(ForbiddenError, 403), NameTakenError("Secret x")):
        assert _refusal(error).remedy


async def test_a_service_of_somebody_else_is_left_alone(a):
    client = Recorder(apply_Service=answer(ConflictError))
    with pytest.raises(NameTakenError) as caught:
        await run(a, client, a.serving(deployment=None))
    assert "Service phi" in caught.value.message
    assert ("apply", "Deployment") not in client.calls


async def test_foreign_edits_of_our_own_children_are_undone(a):
    client = Recorder()
    await run(a, client, a.serving(deployment=None), Cached(owner=a.uid))
    assert client.forced["Service"] is True
    assert client.forced["Deployment"] is True


async def test_a_child_of_another_workspace_of_that_name_is_not_forced(a):
    client = Recorder()
    await run(a, client, a.serving(deployment=None), Cached(owner="an-earlier-one"))
    assert client.forced["Service"] is False
