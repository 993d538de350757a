"""Load adapters: the servers hear which adapters are wanted, whether they run, start or are still to come.

It stands before `serve`, because a pod starts from what is written here, and it waits for nothing: an adapter that is
on its way keeps no model from answering.
"""

from collections.abc import Iterator

from kaito.contracts import AdapterSet
from kaito.controllers.workspace.adapter_states import heard, is_told
from kaito.controllers.workspace.render import render_adapter_set
from kaito.controllers.workspace.snapshot import Snapshot
from kaito.controllers.workspace.step import Action, Apply, CopyCredentials, DeleteCredentials, Step, TellServer
from kaito.controllers.workspace.wanted import pull_secrets, wanted_set


def load_adapters(snapshot: Snapshot) -> Step:
    """Write the set and the credentials for pods that start, and tell the set to each that has another one."""
    wanted, secrets = wanted_set(snapshot.workspace), pull_secrets(snapshot.workspace)
    # The ConfigMap names the Secret for as long as there may be one: it is all that remembers a Secret to delete.
    config_map = Apply(render_adapter_set(snapshot, wanted, has_credentials=bool(secrets)))
    credentials = tuple(_credentials(snapshot, secrets))
    written = (config_map, *credentials) if secrets else (*credentials, config_map)
    again = _due_in(snapshot) if secrets and not credentials else None
    return Step(written, errands=tuple(_told(snapshot, wanted)), again=again)


def _credentials(snapshot: Snapshot, secrets: tuple[str, ...]) -> Iterator[Action]:
    if secrets and (snapshot.credentials.secrets != secrets or _due_in(snapshot) <= 0):
        yield CopyCredentials(secrets)
    elif not secrets and snapshot.has_credentials:
        yield DeleteCredentials()


def _due_in(snapshot: Snapshot) -> float:
    """Return when the Secrets are to be read again: soon where one is wrong, or a registry does not let a server in."""
    known = snapshot.credentials
    said = (snapshot.runtime[pod.metadata.uid]["adapters"] for pod in heard(snapshot))
    doubted = known.problems or any(one["reason"] == "SourceUnauthorized" for adapters in said for one in adapters)
    return known.doubted_in if doubted else known.due_in


def _told(snapshot: Snapshot, wanted: AdapterSet) -> Iterator[TellServer]:
    """Return what tells the set to each server that works towards another, unless it said no to this one."""
    for pod in heard(snapshot):
        runtime = snapshot.runtime[pod.metadata.uid]
        refusal = snapshot.refused.get(pod.metadata.uid)
        begun = "adapterSet" in runtime or runtime["stage"] != "importing"
        refused = refusal is not None and refusal.generation == wanted["generation"]
        if begun and not refused and not is_told(runtime, wanted):
            yield TellServer(pod, wanted)
