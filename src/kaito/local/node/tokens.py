"""Tokens of service accounts for projected volumes, asked for with TokenRequest and renewed before they end."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from kaito.core import Client, Clock, Key, Object
from kaito.core.kinds import SERVICE_ACCOUNT

DEFAULT_SECONDS = 3600
RENEW_AT = 0.8
"""Share of a token's life after which it is renewed. Source: kubelet's token manager."""


@dataclass(frozen=True)
class _Token:
    text: str
    renew: datetime


class Tokens:
    """The tokens of this node's pods."""

    def __init__(self, client: Client, clock: Clock) -> None:
        self._client = client
        self._clock = clock
        self._tokens: dict[tuple[str, str, str], _Token] = {}

    async def refresh(self, pod: Object) -> float | None:
        """Ask for the tokens that a pod needs now. Return the seconds until one must be renewed, None without any."""
        waits: list[float] = []
        for source in token_sources(pod):
            key = self._key(pod, source)
            token = self._tokens.get(key)
            if token is None or token.renew <= self._clock.now():
                token = self._tokens[key] = await self._request(pod, source)
            waits.append((token.renew - self._clock.now()).total_seconds())
        return min(waits, default=None)

    def get(self, pod: Object, source: Object) -> str | None:
        """Return the token for one source, None before the first `refresh`."""
        token = self._tokens.get(self._key(pod, source))
        return token.text if token else None

    def forget(self, uid: str) -> None:
        """Drop the tokens of a pod."""
        for key in [key for key in self._tokens if key[0] == uid]:
            del self._tokens[key]

    @staticmethod
    def _key(pod: Object, source: Object) -> tuple[str, str, str]:
        return pod["metadata"]["uid"], source["path"], source.get("audience") or ""

    async def _request(self, pod: Object, source: Object) -> _Token:
        metadata = pod["metadata"]
        account = pod["spec"].get("serviceAccountName") or "default"
        seconds = int(source.get("expirationSeconds") or DEFAULT_SECONDS)
        body = {
            "apiVersion": "authentication.k8s.io/v1",
            "kind": "TokenRequest",
            "spec": {
                "audiences": [source["audience"]] if source.get("audience") else [],
                "expirationSeconds": seconds,
                "boundObjectRef": {"apiVersion": "v1", "kind": "Pod", "name": metadata["name"], "uid": metadata["uid"]},
            },
        }
        key = Key(metadata["namespace"], account)
        answer = await self._client.create_subresource(SERVICE_ACCOUNT, key, "token", body)
        return _Token(answer["status"]["token"], self._clock.now() + timedelta(seconds=seconds * RENEW_AT))


def token_sources(pod: Object) -> Iterator[Object]:
    """Yield the serviceAccountToken sources of a pod's projected volumes."""
    for volume in pod["spec"].get("volumes") or ():
        for source in (volume.get("projected") or {}).get("sources") or ():
            if "serviceAccountToken" in source:
                yield source["serviceAccountToken"]
