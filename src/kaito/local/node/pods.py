"""The pods of this node: gather what is known, decide (`lifecycle`), act, write the status when it changed."""

import contextlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import msgspec

from kaito.core import (
    DONE,
    Cache,
    Client,
    Clock,
    ConflictError,
    Controller,
    EventRecorder,
    KaitoError,
    Key,
    NotFoundError,
    Object,
    Result,
)
from kaito.core import Event as WatchEvent
from kaito.core.kinds import CONFIG_MAP, POD
from kaito.core.logs import get_logger
from kaito.local.node import lifecycle
from kaito.local.node.containers import Containers
from kaito.local.node.environment import Sources
from kaito.local.node.hooks import Hooks
from kaito.local.node.lifecycle import Decision, Snapshot, Start, Stop, Waiting
from kaito.local.node.pod_addresses import PodAddresses
from kaito.local.node.preparation import Machine, prepare_container
from kaito.local.node.probes import Probes
from kaito.local.node.records import Record
from kaito.local.node.references import SECRET_SECONDS, Secrets, fetch, references
from kaito.local.node.status import pod_status, same_status
from kaito.local.node.tokens import Tokens
from kaito.local.node.volumes import prepare_volumes

log = get_logger()

GONE_GRACE = 2.0
"""Seconds that containers have whose pod is gone from the API (force-deleted, or while we were away)."""
RETRY = 10.0
"""Seconds after which a missing ConfigMap, Secret or key is looked for again; its watch is usually faster."""


class PodFolder(msgspec.Struct, frozen=True):
    """`pod.json`: whose folder this is, readable when the API no longer knows."""

    namespace: str
    name: str
    uid: str
    ip: str


@dataclass
class PodState:
    """What is remembered of a pod between two looks, and lost with the process without harm."""

    key: Key
    ip: str
    waiting: dict[str, Waiting] = field(default_factory=dict)
    blocked: Waiting | None = None
    secrets: frozenset[Key] = frozenset()
    said: set[tuple[str, str]] = field(default_factory=set)


@dataclass(frozen=True)
class NodeAddresses:
    """The node as its pods see it."""

    name: str
    ip: str
    allocatable: Mapping[str, str]


class PodReconciler:
    """Runs every pod that is bound to this node. Safe to run again at any time."""

    def __init__(
        self,
        node: NodeAddresses,
        machine: Machine,
        containers: Containers,
        addresses: PodAddresses,
        clock: Clock,
    ) -> None:
        self.node = node
        self.machine = machine
        self.containers = containers
        self.addresses = addresses
        self.clock = clock
        self.pods: dict[str, PodState] = {}

    def attach(
        self, cache: Cache, client: Client, events: EventRecorder, probes: Probes, hooks: Hooks, tokens: Tokens
    ) -> Controller:
        """Connect to a cluster and return the controller."""
        self.cache, self.client, self.events = cache, client, events
        self.probes, self.hooks, self.tokens = probes, hooks, tokens
        self.secrets = Secrets(client, self.clock)
        self.controller = (
            Controller("pod", self, workers=8, timeout=120).watching(POD).watching(CONFIG_MAP, to=self._users)
        )
        return self.controller

    def restore(self) -> None:
        """Read which pods have folders here; those that the API no longer knows are ended on their first reconcile."""
        for uid in self.containers.pods():
            with contextlib.suppress(FileNotFoundError, msgspec.DecodeError):
                raw = (self.machine.layout.pod(uid) / "pod.json").read_bytes()
                folder = msgspec.json.decode(raw, type=PodFolder)
                self.pods[uid] = PodState(Key(folder.namespace, folder.name), folder.ip)
                continue
            self.machine.layout.remove_pod(uid)
        self.addresses.restore((uid, state.ip) for uid, state in self.pods.items() if state.ip)

    async def sweep(self) -> None:
        """Look at every pod that has a folder here: the end of what was deleted while we were away."""
        for state in list(self.pods.values()):
            self.controller.enqueue(state.key)

    def changed(self, uid: str) -> None:
        """Look at a pod again, because something of it on this machine changed."""
        state = self.pods.get(uid)
        if state is not None:
            self.controller.enqueue(state.key)

    def unhealthy(self, uid: str, container: str, kind: str, message: str) -> None:
        """Say that a probe failed."""
        state = self.pods.get(uid)
        pod = self.cache.get(POD, state.key) if state else None
        if pod is not None and pod["metadata"]["uid"] == uid:
            self.events.record(pod, "Warning", "Unhealthy", message)
        log.info("probe failed", pod=str(state.key) if state else uid, container=container, probe=kind, message=message)

    def hook_failed(self, record: Record, reason: str, message: str) -> None:
        """Say that a hook failed."""
        state = self.pods.get(record.uid)
        pod = self.cache.get(POD, state.key) if state else None
        if pod is not None:
            self.events.record(pod, "Warning", reason, message)

    def _users(self, event: WatchEvent) -> Iterable[Key]:
        """Return the pods here that refer to a ConfigMap."""
        for entry in self.cache.entries(POD, namespace=event.key.namespace):
            if event.key.name in references(entry.decode()).config_maps:
                yield entry.key

    async def reconcile(self, key: Key) -> Result:
        """Bring one pod, by name, to where its spec wants it."""
        pod = self.cache.get(POD, key)
        if pod is not None and pod["spec"].get("nodeName") != self.node.name:
            pod = None
        uid = pod["metadata"]["uid"] if pod else ""
        if self._end_others(key, uid):
            return DONE  # an earlier pod of this name still ends; its shim's end brings us back
        if pod is None:
            return DONE
        if self._ended_before(pod):
            return DONE
        state = self._state(pod, key)
        if state is None:
            return await self._finish(pod)
        return await self._bring_forward(pod, state)

    def _end_others(self, key: Key, uid: str) -> bool:
        """End the containers of other pods that had this name; return True while some still run."""
        waiting = False
        for other in [each for each, state in self.pods.items() if state.key == key and each != uid]:
            self.probes.forget(other)
            running = self.containers.running(other)
            for record in running:
                self.hooks.stop(record, {}, "", GONE_GRACE)
            if running:
                waiting = True
            else:
                self._forget(other)
        return waiting

    def _forget(self, uid: str) -> None:
        self.pods.pop(uid, None)
        self.probes.forget(uid)
        self.hooks.forget(uid)
        self.tokens.forget(uid)
        self.addresses.release(uid)
        self.containers.forget(uid)
        self.secrets.keep({key for state in self.pods.values() for key in state.secrets})

    def _ended_before(self, pod: Object) -> bool:
        """Return whether a pod had ended for good, in an earlier life of this node's folder."""
        ended = (pod.get("status") or {}).get("phase") in ("Succeeded", "Failed")
        return ended and pod["metadata"]["uid"] not in self.pods and not pod["metadata"].get("deletionTimestamp")

    def _state(self, pod: Object, key: Key) -> PodState | None:
        """Return what is remembered of a pod; a new one gets address and folder. None: deleted before it began."""
        uid = pod["metadata"]["uid"]
        if uid not in self.pods:
            if pod["metadata"].get("deletionTimestamp"):
                return None
            ip = self.node.ip if pod["spec"].get("hostNetwork") else self.addresses.of(uid)
            folder = self.machine.layout.pod(uid)
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            own = PodFolder(key.namespace, key.name, uid, ip)
            temporary = folder / "pod.json.new"
            temporary.write_bytes(msgspec.json.encode(own))
            temporary.replace(folder / "pod.json")
            self.pods[uid] = PodState(key, ip)
        return self.pods[uid]

    async def _bring_forward(self, pod: Object, state: PodState) -> Result:
        uid = pod["metadata"]["uid"]
        self._watch_probes(pod, state)
        retries: list[float] = []
        volumes: dict[str, Path] = {}
        sources = await self._sources(pod, state)
        if not pod["metadata"].get("deletionTimestamp"):
            volumes = await self._volumes(pod, state, sources, retries)
            if references(pod).secrets:
                retries.append(SECRET_SECONDS)
        decision = lifecycle.decide(self._snapshot(pod, state))
        for stop in decision.stop:
            self._stop(pod, state, stop)
        for start in decision.start:
            await self._start(pod, state, start, volumes, sources, retries)
        self._watch_probes(pod, state)
        self._say_backoff(pod, state, decision)
        after = self._snapshot(pod, state)
        await self._write_status(pod, pod_status(after, decision.failed))
        if decision.finish and not self.containers.running(uid):
            return await self._finish(pod)
        again = lifecycle.decide(after) if decision.start else decision
        if again.requeue_after is not None:
            retries.append(again.requeue_after)
        return Result(requeue_after=max(0.01, min(retries))) if retries else DONE

    def _snapshot(self, pod: Object, state: PodState) -> Snapshot:
        uid = pod["metadata"]["uid"]
        return Snapshot(
            pod=pod,
            now=self.clock.now(),
            records=self.containers.records(uid),
            probes=self.probes.verdicts(uid),
            waiting=dict(state.waiting),
            blocked=state.blocked,
            hooked=self.hooks.starting(uid),
            pod_ip=state.ip,
            host_ip=self.node.ip,
        )

    async def _sources(self, pod: Object, state: PodState) -> Sources:
        secrets = frozenset(Key(state.key.namespace, name) for name in references(pod).secrets)
        self.secrets.forget(secrets - state.secrets)
        state.secrets = secrets
        fetched = await fetch(pod, self.cache, self.client, self.secrets)
        return Sources(pod, state.ip, self.node.ip, fetched.config_maps.get, fetched.secrets.get, self.node.allocatable)

    async def _volumes(self, pod: Object, state: PodState, sources: Sources, retries: list[float]) -> dict[str, Path]:
        """Bring the volumes up to date. A pod that has not begun waits for them; one that runs has an event."""
        try:
            renewal = await self.tokens.refresh(pod)
            if renewal is not None:
                retries.append(renewal)
            volumes = prepare_volumes(pod, self.machine.layout, sources, lambda source: self.tokens.get(pod, source))
        except KaitoError as error:
            self._say(pod, state, "Warning", "FailedMount", error.advice)
            retries.append(error.retry_after or RETRY)
            state.blocked = Waiting("ContainerCreating", error.message)
            return {}
        state.blocked = None
        return volumes

    async def _start(
        self,
        pod: Object,
        state: PodState,
        start: Start,
        volumes: Mapping[str, Path],
        sources: Sources,
        retries: list[float],
    ) -> None:
        name = start.container["name"]
        try:
            prepared = prepare_container(pod, start, volumes, sources, self.machine)
        except KaitoError as error:
            state.waiting[name] = self._waiting(pod, state, start.container, error)
            retries.append(RETRY)
            return
        state.waiting.pop(name, None)
        image = start.container.get("image", "")
        how = "" if not prepared.record.rewrites else "; its mount paths are rewritten to folders of this machine"
        pulled = f'Image "{image}" is mapped to the program {prepared.record.program} of this machine{how}'
        self.events.record(pod, "Normal", "Pulled", pulled)
        self.events.record(pod, "Normal", "Created", f"Created container: {name}")
        record = await self.containers.start(prepared)
        log.info("started a container", pod=str(state.key), container=name, attempt=record.attempt, pid=record.pid)
        if record.reason == "StartError":
            self.events.record(pod, "Warning", "Failed", f"Error: {record.message}")
            self.changed(record.uid)
            return
        self.events.record(pod, "Normal", "Started", f"Started container {name}")
        self.hooks.after_start(record, start.container, state.ip)

    def _waiting(self, pod: Object, state: PodState, container: Object, error: KaitoError) -> Waiting:
        """Turn a failed preparation into what the status says; images are looked for again, ever more slowly."""
        message = error.advice
        if error.reason != "ErrImagePull":
            self._say(pod, state, "Warning", "Failed", f"Error: {message}")
            return Waiting(error.reason, message)
        image = container.get("image", "")
        self._say(pod, state, "Warning", "Failed", f'Failed to pull image "{image}": {message}')
        retry_at = self.clock.now() + timedelta(seconds=lifecycle.BACKOFF_FIRST)
        if container["name"] not in state.waiting:
            return Waiting("ErrImagePull", message, retry_at)
        self._say(pod, state, "Normal", "BackOff", f'Back-off pulling image "{image}"')
        retry_at = self.clock.now() + timedelta(seconds=lifecycle.BACKOFF_LIMIT)
        return Waiting("ImagePullBackOff", f'Back-off pulling image "{image}": ErrImagePull: {message}', retry_at)

    def _stop(self, pod: Object, state: PodState, stop: Stop) -> None:
        record = self._snapshot(pod, state).latest(stop.container)
        if record is None or not record.running:
            return
        container = next(
            each
            for each in [*lifecycle.init_containers(pod), *pod["spec"]["containers"]]
            if each["name"] == stop.container
        )
        self.probes.forget(record.uid, record.name)
        if self.hooks.stop(record, container, state.ip, stop.grace):
            self.events.record(pod, "Normal", "Killing", stop.message)

    def _watch_probes(self, pod: Object, state: PodState) -> None:
        """Begin with the probes of containers that run and are not being ended; end those of containers that do not."""
        statuses = pod.get("status") or {}
        known = [*(statuses.get("initContainerStatuses") or ()), *(statuses.get("containerStatuses") or ())]
        hooked = self.hooks.starting(pod["metadata"]["uid"])
        for container in [*lifecycle.init_containers(pod), *pod["spec"]["containers"]]:
            name = container["name"]
            record = self._snapshot(pod, state).latest(name)
            if record is None or not record.running or self.hooks.stopping(record):
                self.probes.forget(pod["metadata"]["uid"], name)
            elif record.phase == "running" and name not in hooked:
                status = next((each for each in known if each["name"] == name), None)
                self.probes.watch(record, container, state.ip, status)

    def _say(self, pod: Object, state: PodState, kind: str, reason: str, message: str) -> None:
        """Record an event once, for what is met again at every look."""
        if (reason, message) not in state.said:
            state.said.add((reason, message))
            self.events.record(pod, "Warning" if kind == "Warning" else "Normal", reason, message)

    def _say_backoff(self, pod: Object, state: PodState, decision: Decision) -> None:
        if decision.requeue_after is None:
            return
        metadata = pod["metadata"]
        now = self.clock.now()
        for name, records in self.containers.records(metadata["uid"]).items():
            last = records[-1]
            if not last.running and not last.succeeded and lifecycle.backoff_left(last, now) > 0:
                pod_name = f"{metadata['name']}_{metadata['namespace']}({metadata['uid']})"
                text = f"Back-off restarting failed container {name} in pod {pod_name}"
                if (last.container_id, text) not in state.said:
                    state.said.add((last.container_id, text))
                    self.events.record(pod, "Warning", "BackOff", text)

    async def _write_status(self, pod: Object, status: Object) -> None:
        old = pod.get("status") or {}
        if same_status(old, status):
            return
        body = {"metadata": {"uid": pod["metadata"]["uid"]}, "status": status}
        key = Key(pod["metadata"]["namespace"], pod["metadata"]["name"])
        with contextlib.suppress(NotFoundError, ConflictError):  # it is gone, or another pod has its name
            await self.client.patch(POD, key, body, subresource="status")

    async def _finish(self, pod: Object) -> Result:
        """Let a deleted pod go: nothing of it runs any more."""
        metadata = pod["metadata"]
        key = Key(metadata["namespace"], metadata["name"])
        self._forget(metadata["uid"])  # first: a pod that the API no longer has leaves nothing here
        with contextlib.suppress(NotFoundError, ConflictError):
            await self.client.delete(POD, key, uid=metadata["uid"], grace_period_seconds=0)
        return DONE
