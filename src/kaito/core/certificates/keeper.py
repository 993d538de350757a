"""Keeps the certificates: the Secret, the authorities in the webhook configurations, and what this process serves."""

import ssl
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from prometheus_client import CollectorRegistry, Gauge

from kaito.core.certificates.decide import Action, Policy, decide
from kaito.core.certificates.generation import Generation
from kaito.core.certificates.loading import load_pair
from kaito.core.certificates.material import SECRET_TYPE, Material, fresh, secret_data
from kaito.core.certificates.signer import issue, read_secret
from kaito.core.certificates.trust import distrusting
from kaito.core.client import Client
from kaito.core.clock import Clock
from kaito.core.errors import AlreadyExistsError, ConflictError, KaitoError, NotFoundError
from kaito.core.kinds import SECRET
from kaito.core.logs import get_logger
from kaito.core.objects import Key, Kind, Object

log = get_logger()

_TRIES: Final = 5
_RETRY_SECONDS: Final = 5.0


@dataclass(frozen=True)
class Trusting:
    """A webhook configuration whose webhooks have to trust the certificates."""

    kind: Kind[Any]
    name: str


Report = Callable[[Object, str, str], None]
"""Takes the Secret, the reason and the message of something that a person should see on it."""


class CertificateKeeper:
    """Serves `names` with the certificate of one Secret. Each replica has one; optimistic concurrency makes them agree.

    `context` is for the server; new connections get the newest certificate. The rights it needs: get, create and update
    of that Secret, get and patch of those configurations. It never lists or watches. `report` hears of a Secret that
    had to be made anew.
    """

    def __init__(
        self,
        client: Client,
        clock: Clock,
        secret: Key,
        names: Sequence[str],
        trusting: Sequence[Trusting] = (),
        *,
        policy: Policy | None = None,
        registry: CollectorRegistry | None = None,
        report: Report = lambda _secret, _reason, _message: None,
    ) -> None:
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.minimum_version = ssl.TLSVersion.TLSv1_2
        self._client = client
        self._clock = clock
        self._secret = secret
        self._names = frozenset(names)
        self._trusting = tuple(trusting)
        self._policy = policy or Policy()
        self._report = report
        self._held: Material | None = None
        self._served: Generation | None = None
        expiry = Gauge(
            "kaito_core_certificate_expiry_seconds",
            "Seconds until the certificate that is served expires; negative once it has, 0 before there is one.",
            ("secret",),
            registry=registry,
        )
        expiry.labels(secret.name).set_function(self.seconds_left)

    def seconds_left(self) -> float:
        """Return the seconds until the served certificate expires."""
        if self._served is None:
            return 0.0
        return (self._served.not_after - self._clock.now()).total_seconds()

    def unready(self) -> str:
        """Return why nothing can be served yet, or nothing."""
        return "" if self._served is not None else f"no certificate from Secret {self._secret} yet"

    async def run(self) -> None:
        """Keep them until cancelled. What fails is logged and tried again."""
        while True:
            complete = False
            try:
                complete = await self.look()
            except KaitoError as error:
                log.warning("certificates could not be looked after", secret=str(self._secret), error=str(error))
            pause = self._policy.check.total_seconds()
            await self._clock.sleep(pause if complete else min(pause, _RETRY_SECONDS))

    async def look(self) -> bool:
        """Look once, and do what is due; say whether every configuration is there. Raises KaitoError.

        Callers trust a certificate before it is served.
        """
        self._held = material = await self._agreed()
        trusted = [await self._trust(configuration, material) for configuration in self._trusting]
        if material.current != self._served:
            load_pair(self.context, material.current.certificate, material.current.key)
            self._served = material.current
            log.info("certificate is served", secret=str(self._secret), expires=material.current.not_after.isoformat())
        return all(trusted)

    async def _agreed(self) -> Material:
        """Return the material that all replicas use now, after the step that was due."""
        for _ in range(_TRIES):
            stored = await self._read()
            found, fault = await self._material(stored)
            now = self._clock.now()
            action = decide(found, now, self._names, self._policy)
            if action is Action.KEEP and found is not None:
                return found
            wanted = await self._next(action, found)
            try:
                await self._store(stored, wanted)
            except (AlreadyExistsError, ConflictError, NotFoundError):
                continue  # another replica was first: what it wrote counts
            log.info("certificates changed", secret=str(self._secret), step=action.name.lower())
            if stored is not None and fault:
                log.warning("certificates in the Secret were of no use", secret=str(self._secret), error=fault)
                self._report(stored, "CertificateRenewed", f"Its certificate was of no use and was made anew: {fault}.")
            return wanted
        raise KaitoError("CertificateConflict", f"Secret {self._secret} changes faster than it can be read")

    async def _next(self, action: Action, found: Material | None) -> Material:
        now = self._clock.now()
        held = self._held
        if found is None:
            if held is not None and decide(held, now, self._names, self._policy) is Action.KEEP:
                return held  # somebody deleted or broke the Secret: callers trust what we serve already
            return fresh(await issue(self._names, now, self._policy.lifetime))
        if action is Action.PROMOTE:
            return found.promoted(now)
        # Names that another replica wants stay, else each would undo the other's certificate for ever.
        generation = await issue(self._names | found.current.names, now, self._policy.lifetime)
        staged = found.staged(generation, now + self._policy.overlap, now)
        return staged if action is Action.STAGE else staged.promoted(now)

    async def _read(self) -> Object | None:
        try:
            return await self._client.get(SECRET, self._secret)
        except NotFoundError:
            return None

    async def _material(self, stored: Object | None) -> tuple[Material | None, str]:
        """Return what a Secret holds, or why that is of no use; what was read before is not read again."""
        if stored is None:
            return None, ""
        data = stored.get("data") or {}
        if self._held is not None and data == secret_data(self._held):
            return self._held, ""
        try:
            return await read_secret(data), ""
        except ValueError as error:
            return None, str(error)

    async def _store(self, stored: Object | None, material: Material) -> None:
        data = secret_data(material)
        if stored is not None and stored.get("type") == SECRET_TYPE:
            await self._client.update({**stored, "data": data})
            return
        if stored is not None:
            raise KaitoError(
                "SecretOfAnotherType",
                f"Secret {self._secret} has the type {stored.get('type')}, and the certificates need {SECRET_TYPE}.",
                remedy="Delete it; it is made anew.",
            )
        metadata = {"name": self._secret.name, "namespace": self._secret.namespace}
        body: Object = {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "type": SECRET_TYPE, "data": data}
        await self._client.create(body)

    async def _trust(self, configuration: Trusting, material: Material) -> bool:
        """Let a configuration know the authorities; say whether it is there."""
        key = Key("", configuration.name)
        try:
            live = await self._client.get(configuration.kind, key)
            if change := distrusting(live, material.bundle):
                await self._client.patch(configuration.kind, key, change, patch_type="json")
        except NotFoundError:
            log.debug("webhook configuration is not installed", kind=configuration.kind.kind, name=key.name)
            return False
        return True
