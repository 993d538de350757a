"""Who calls: the administrator, by the one token of this server, or a service account, by a token of TokenRequest.

A service account's token is a JWT as a real server's is, signed by HMAC with a key that comes of the administrator's
token: a new administrator's token ends them all.
"""

import base64
import hashlib
import hmac
import random
import uuid
from binascii import Error as Base64Error
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

import orjson

from kaito.apiserver import status
from kaito.apiserver.audit import ADMIN
from kaito.apiserver.schema import FieldError, invalid, invalid_error
from kaito.apiserver.store import Store
from kaito.core.clock import Clock, timestamp
from kaito.core.objects import Key, Object

ISSUER: Final = "https://kubernetes.default.svc"
MASTERS: Final = "system:masters"
AUTHENTICATED: Final = "system:authenticated"
_DEFAULT_SECONDS = 3600
_SHORTEST_SECONDS = 600
_LONGEST_SECONDS = 1 << 32
_HEADER = {"alg": "HS256", "typ": "JWT"}


@dataclass(frozen=True)
class Identity:
    """One caller."""

    username: str
    groups: tuple[str, ...]
    uid: str = ""

    @property
    def user_info(self) -> Object:
        """The caller as reviews and admission webhooks tell it (`authentication.k8s.io/v1` UserInfo)."""
        return {"username": self.username, **({"uid": self.uid} if self.uid else {}), "groups": list(self.groups)}


ADMINISTRATOR: Final = Identity(ADMIN, (MASTERS, AUTHENTICATED))
"""Whoever holds the server's own token."""


class Identities:
    """Knows callers by their bearer tokens, and makes tokens for service accounts."""

    def __init__(self, store: Store, token: str, clock: Clock, chance: random.Random) -> None:
        self._store = store
        self._token = token.encode()
        self._key = hmac.digest(self._token, b"service account tokens", hashlib.sha256)
        self._clock = clock
        self._chance = chance

    def of(self, authorization: str) -> Identity:
        """Return who sends this Authorization header; 401 for nobody we know."""
        scheme, _, token = authorization.partition(" ")
        token = token.strip()
        if scheme.lower() != "bearer":
            raise status.unauthorized()
        if hmac.compare_digest(token.encode(), self._token):
            return ADMINISTRATOR
        claims = self._verified(token)
        now = self._clock.now().timestamp()
        if claims is None or ISSUER not in claims["aud"] or not claims["nbf"] <= now < claims["exp"]:
            raise status.unauthorized()
        return self._service_account(claims["kubernetes.io"])

    def _service_account(self, about: Object) -> Identity:
        """Return the account of a token; 401 when it, or the pod that the token is bound to, is not there any more."""
        namespace, account = about["namespace"], about["serviceaccount"]
        bound = [("serviceaccounts", account), *([("pods", about["pod"])] if "pod" in about else [])]
        for storage, reference in bound:
            live = self._store.read(storage, Key(namespace, reference["name"]))
            if live is None or live["metadata"]["uid"] != reference["uid"]:
                raise status.unauthorized()
        groups = ("system:serviceaccounts", f"system:serviceaccounts:{namespace}", AUTHENTICATED)
        return Identity(f"system:serviceaccount:{namespace}:{account['name']}", groups, account["uid"])

    def answer_token_request(self, account: Object, body: Object) -> Object:
        """Answer a TokenRequest for a service account; 4xx for a life that is too short or a pod that is not there."""
        spec = body.get("spec") or {}
        seconds = spec.get("expirationSeconds", _DEFAULT_SECONDS)
        _refuse(_life_errors(seconds))
        audiences = list(spec.get("audiences") or [ISSUER])
        meta, now = account["metadata"], self._clock.now()
        about: Object = {
            "namespace": meta["namespace"],
            "serviceaccount": {"name": meta["name"], "uid": meta["uid"]},
        }
        if reference := spec.get("boundObjectRef"):
            about["pod"] = self._bound_pod(meta, reference)
        issued = int(now.timestamp())
        claims = {
            "aud": audiences,
            "exp": issued + seconds,
            "iat": issued,
            "iss": ISSUER,
            "jti": str(uuid.UUID(int=self._chance.getrandbits(128), version=4)),
            "kubernetes.io": about,
            "nbf": issued,
            "sub": f"system:serviceaccount:{meta['namespace']}:{meta['name']}",
        }
        return {
            "kind": "TokenRequest",
            "apiVersion": "authentication.k8s.io/v1",
            "metadata": {"name": meta["name"], "namespace": meta["namespace"], "creationTimestamp": timestamp(now)},
            "spec": {
                "audiences": audiences,
                "expirationSeconds": seconds,
                "boundObjectRef": spec.get("boundObjectRef"),
            },
            "status": {
                "token": self._signed(claims),
                "expirationTimestamp": timestamp(now + timedelta(seconds=seconds)),
            },
        }

    def _bound_pod(self, account: Object, reference: Object) -> Object:
        """Return the name and uid of the pod that a token ends with. Other kinds are not bound to here."""
        name = str(reference.get("name") or "")
        if reference.get("kind") != "Pod":
            raise status.bad_request(f"cannot bind token to object of type {reference.get('kind')}")
        pod = self._store.read("pods", Key(account["namespace"], name))
        if pod is None:
            raise status.not_found("", "pods", name)
        uid, wanted = pod["metadata"]["uid"], reference.get("uid") or pod["metadata"]["uid"]
        if uid != wanted:
            raise status.conflict("", "pods", name, f"the UID in the bound object reference ({wanted}) does not match")
        return {"name": name, "uid": uid}

    def _signed(self, claims: Object) -> str:
        content = b".".join(_encoded(orjson.dumps(part)) for part in (_HEADER, claims))
        return f"{content.decode()}.{_encoded(self._signature(content)).decode()}"

    def _verified(self, token: str) -> Any:
        """Return the claims of a token that we signed, None for any other."""
        content, _, signature = token.rpartition(".")
        try:
            given = _decoded(signature)
            if not hmac.compare_digest(given, self._signature(content.encode())):
                return None
            return orjson.loads(_decoded(content.partition(".")[2]))
        except (Base64Error, orjson.JSONDecodeError):
            return None

    def _signature(self, content: bytes) -> bytes:
        return hmac.digest(self._key, content, hashlib.sha256)


def _life_errors(seconds: object) -> list[FieldError]:
    field = "spec.expirationSeconds"
    if not isinstance(seconds, int) or isinstance(seconds, bool):
        raise status.bad_request(f"{field} must be an integer")
    if seconds < _SHORTEST_SECONDS:
        return [invalid(field, seconds, "may not specify a duration less than 10 minutes")]
    if seconds > _LONGEST_SECONDS:
        return [invalid(field, seconds, "may not specify a duration larger than 2^32 seconds")]
    return []


def _refuse(errors: Sequence[FieldError]) -> None:
    if errors:
        raise invalid_error("authentication.k8s.io", "TokenRequest", "", list(errors))


def _encoded(data: bytes) -> bytes:
    return base64.urlsafe_b64encode(data).rstrip(b"=")


def _decoded(text: str) -> bytes:
    return base64.urlsafe_b64decode(text.encode() + b"=" * (-len(text) % 4))
