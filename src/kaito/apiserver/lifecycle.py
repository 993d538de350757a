"""What the server does of its own accord: the first objects, emptying what is being deleted, forgetting old events."""

import asyncio
from datetime import timedelta

from kaito.apiserver import deletion
from kaito.apiserver.admission import Write
from kaito.apiserver.request import DeleteOptions, Options, Target
from kaito.apiserver.resources import GroupVersion, Resource
from kaito.apiserver.writes import CRD_CLEANUP, CRD_STORAGE, Writer
from kaito.core.clock import Clock, parse_timestamp
from kaito.core.objects import Key, Object

SYSTEM_NAMESPACES = ("default", "kube-system", "kube-public", "kube-node-lease", "kaito-system")
_EVENT_LIFETIME = timedelta(hours=1)
_EVENT_SWEEP_SECONDS = 60.0
_MANAGER = "kaito-apiserver"


class Lifecycle:
    """Deletes the contents of namespaces and definitions that are being deleted, then the things themselves."""

    def __init__(self, writer: Writer, clock: Clock) -> None:
        self._writer = writer
        self._clock = clock
        self._wanted = asyncio.Event()
        writer.on_removed = self._wanted.set

    def _write(self, resource: Resource, key: Key) -> Write:
        target = Target(resource.gv, resource.plural, key.namespace, key.name)
        return Write(resource, target, Options({}), _MANAGER, self._clock.now())

    def _resource(self, api_version: str, plural: str) -> Resource:
        group, _, version = api_version.rpartition("/")
        resource = self._writer.registry.find(GroupVersion(group, version), plural)
        assert resource is not None
        return resource

    def create_first_objects(self, host: str, port: int) -> None:
        """Make the system namespaces, and the Service `kubernetes` that leads to this server, if they are missing."""
        for name in SYSTEM_NAMESPACES:
            self._create("v1", "namespaces", {"metadata": {"name": name}})
        meta = {
            "name": "kubernetes",
            "namespace": "default",
            "labels": {"component": "apiserver", "provider": "kubernetes"},
        }
        ports = [{"name": "https", "port": 443, "targetPort": port, "protocol": "TCP"}]
        address = self._writer.addresses.first
        self._create("v1", "services", {"metadata": meta, "spec": {"clusterIP": address, "ports": ports}})
        slice_meta = {**meta, "labels": {"kubernetes.io/service-name": "kubernetes"}}
        endpoint = {"addresses": [host], "conditions": {"ready": True}}
        self._create(
            "discovery.k8s.io/v1",
            "endpointslices",
            {
                "metadata": slice_meta,
                "addressType": "IPv4",
                "endpoints": [endpoint],
                "ports": [{"name": "https", "port": port, "protocol": "TCP"}],
            },
        )

    def _create(self, api_version: str, plural: str, obj: Object) -> None:
        resource = self._resource(api_version, plural)
        key = Key(obj["metadata"].get("namespace", ""), obj["metadata"]["name"])
        if self._writer.store.get(resource.storage_key, key) is None:
            target = Target(resource.gv, plural, key.namespace)
            write = Write(resource, target, Options({}), _MANAGER, self._clock.now())
            self._writer.create(write, {**obj, "apiVersion": api_version, "kind": resource.kind})

    async def run(self) -> None:
        """Work until cancelled: at start, and whenever something was removed or began to be."""
        self._wanted.set()
        while True:
            await self._wanted.wait()
            self._wanted.clear()
            for namespace in self._terminating("namespaces"):
                self._empty_namespace(namespace)
            for crd in self._terminating(CRD_STORAGE):
                self._empty_definition(crd)

    def _terminating(self, storage: str) -> list[Object]:
        return [obj for obj in self._writer.store.objects(storage) if obj["metadata"].get("deletionTimestamp")]

    def _empty_namespace(self, namespace: Object) -> None:
        name, left = namespace["metadata"]["name"], 0
        for storage, resource in self._writer.registry.storages().items():
            if resource.namespaced:
                left += self._delete_all(storage, resource, name)
        if not left and not namespace["metadata"].get("finalizers"):
            self._writer.remove(self._resource("v1", "namespaces"), Key("", name), namespace)

    def _delete_all(self, storage: str, resource: Resource, namespace: str | None) -> int:
        """Delete what is there and return how many objects are left, held by finalizers or grace."""
        keys = [key for key, _ in self._writer.store.scan(storage, namespace)]
        for key in keys:
            live = self._writer.store.read(storage, key)
            if live is not None and not live["metadata"].get("deletionTimestamp"):
                deletion.delete(
                    self._writer, self._write(resource, key), DeleteOptions(propagation_policy="Background")
                )
        return self._writer.store.count(storage, namespace)

    def _empty_definition(self, crd: Object) -> None:
        if CRD_CLEANUP not in (crd["metadata"].get("finalizers") or ()):
            return
        storage = f"{crd['spec']['group']}/{crd['spec']['names']['plural']}"
        resource = self._writer.registry.storages().get(storage)
        if resource is not None and self._delete_all(storage, resource, None):
            return
        crd["metadata"]["finalizers"].remove(CRD_CLEANUP)
        self._writer.save(self._resource("apiextensions.k8s.io/v1", "customresourcedefinitions"), crd)

    async def forget_old_events(self) -> None:
        """Remove Events an hour after they were last seen (kube-apiserver's `--event-ttl`); works until cancelled."""
        resource = self._resource("v1", "events")
        while True:
            oldest = self._clock.now() - _EVENT_LIFETIME
            for event in self._writer.store.objects("events"):
                meta = event["metadata"]
                seen = event.get("lastTimestamp") or event.get("eventTime") or meta["creationTimestamp"]
                if parse_timestamp(seen) < oldest:
                    self._writer.remove(resource, Key(meta["namespace"], meta["name"]), event)
            await self._clock.sleep(_EVENT_SWEEP_SECONDS)
