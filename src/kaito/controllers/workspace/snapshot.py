"""What one reconcile knows: a frozen picture, gathered from the cache without one request."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec

from kaito.api import MACHINE, WORKSPACE, Workspace
from kaito.contracts import RuntimeStatus
from kaito.controllers.options import Settings
from kaito.controllers.workspace.claims import Claim, claim_name, owner_labels, read_machine, read_named
from kaito.controllers.workspace.known import NO_CREDENTIALS, Credentials, Known, Refusal
from kaito.controllers.workspace.rules import Catalogue
from kaito.controllers.workspace.views import Deployment, Node, Pod
from kaito.controllers.workspace.workload import CREDENTIALS_ANNOTATION, adapter_set_name
from kaito.core import Cache, CacheEntry
from kaito.core.kinds import CONFIG_MAP, DEPLOYMENT, NODE, POD
from kaito.core.objects import Key
from kaito.presets import Plan, PresetRegistry, SkuCatalogue


@dataclass(frozen=True)
class Snapshot:
    """Everything that `decide` may look at.

    `runtime` has the servers' own status by pod uid, `refused` what they said no to. `has_credentials` tells whether
    there may be a Secret with copied pull secrets.
    """

    workspace: Workspace
    settings: Settings
    presets: PresetRegistry
    skus: SkuCatalogue
    claims: tuple[Claim, ...] = ()
    nodes: Mapping[str, Node] = field(default_factory=dict)
    deployment: Deployment | None = None
    pods: tuple[Pod, ...] = ()
    runtime: Mapping[str, RuntimeStatus] = field(default_factory=dict)
    refused: Mapping[str, Refusal] = field(default_factory=dict)
    credentials: Credentials = NO_CREDENTIALS
    has_credentials: bool = False
    plan: Plan | None = None

    @property
    def catalogue(self) -> Catalogue:
        """What the Workspace is judged by."""
        return Catalogue(self.presets, self.skus, self.settings.weights)

    @property
    def own_claims(self) -> tuple[Claim, ...]:
        """Claims of this very Workspace, deleting ones too, by ordinal."""
        uid = self.workspace.metadata.uid
        return tuple(sorted((claim for claim in self.claims if claim.workspace_uid == uid), key=lambda it: it.ordinal))

    @property
    def sized(self) -> Plan:
        """The plan, for the phases that run after there is one."""
        if self.plan is None:
            raise RuntimeError("a phase that needs the plan ran before `size`")
        return self.plan


class Gatherer:
    """Takes snapshots from the cache."""

    def __init__(self, cache: Cache, settings: Settings, presets: PresetRegistry, skus: SkuCatalogue) -> None:
        self._cache = cache
        self._settings = settings
        self._presets = presets
        self._skus = skus

    def gather(self, key: Key, known: Known) -> Snapshot | None:
        """Return the picture of one Workspace, or None when it is gone."""
        workspace = self._cache.get(WORKSPACE, key)
        if workspace is None:
            return None
        claims = self._claims(workspace)
        return Snapshot(
            workspace=workspace,
            settings=self._settings,
            presets=self._presets,
            skus=self._skus,
            claims=claims,
            nodes=self._nodes(claims),
            deployment=self._deployment(workspace),
            pods=self._pods(key),
            runtime=known.statuses,
            refused=known.refused,
            credentials=known.credentials,
            has_credentials=self._has_credentials(workspace),
        )

    def orphans(self, key: Key) -> tuple[Claim, ...]:
        """Return the claims of Workspaces of this name, for when there is none (any more).

        One that only bears this name by mistake is another Workspace's, which gives it its labels back.
        """
        found = [read_machine(machine) for machine in self._cache.list(MACHINE, labels=owner_labels(*key))]
        living = {entry.metadata.uid for entry in self._cache.entries(WORKSPACE)} if found else set()
        return tuple(
            claim for claim in found if claim.workspace_uid and claim.workspace_uid not in living and not claim.deleting
        )

    def _claims(self, workspace: Workspace) -> tuple[Claim, ...]:
        """Find claims by label, and those of this Workspace by name too: a claim that lost its labels costs as much."""
        metadata = workspace.metadata
        labels = owner_labels(metadata.namespace, metadata.name)
        found = {machine.metadata.name: read_machine(machine) for machine in self._cache.list(MACHINE, labels=labels)}
        for ordinal in range(max(1, workspace.resource.count, workspace.status.target_node_count or 0)):
            machine = self._cache.get(MACHINE, Key("", claim_name(metadata.uid, ordinal)))
            claim = read_named(machine, workspace, ordinal) if machine is not None else None
            if claim is not None:
                found[claim.name] = claim
        return tuple(found.values())

    def _nodes(self, claims: tuple[Claim, ...]) -> dict[str, Node]:
        found = {}
        for claim in claims:
            entry = self._cache.entry(NODE, Key("", claim.node_name)) if claim.node_name else None
            if entry is not None:
                found[claim.node_name] = view(entry, Node)
        return found

    def _deployment(self, workspace: Workspace) -> Deployment | None:
        key = Key(workspace.metadata.namespace, workspace.metadata.name)
        entry = self._cache.entry(DEPLOYMENT, key)
        if entry is None:
            return None
        owner = entry.metadata.controller
        return view(entry, Deployment) if owner is not None and owner.uid == workspace.metadata.uid else None

    def _has_credentials(self, workspace: Workspace) -> bool:
        key = Key(workspace.metadata.namespace, adapter_set_name(workspace.metadata.name))
        entry = self._cache.entry(CONFIG_MAP, key)
        return entry is not None and CREDENTIALS_ANNOTATION in entry.metadata.annotations

    def _pods(self, key: Key) -> tuple[Pod, ...]:
        labels = {"kaito.sh/workspace": key.name}
        entries = self._cache.entries(POD, namespace=key.namespace, labels=labels)
        pods = (view(entry, Pod) for entry in entries)
        return tuple(sorted(pods, key=lambda pod: (pod.metadata.creation_timestamp, pod.metadata.name)))


def view(entry: CacheEntry[Any], model: type[msgspec.Struct]) -> Any:
    """Return the part of a cached object that `model` names."""
    return msgspec.json.decode(entry.raw, type=model)
