"""Secrets and ConfigMaps: plain text into data, and data that was declared immutable."""

import base64
import binascii
import re

from kaito.apiserver.schema import Cause, FieldError, invalid, required
from kaito.core.objects import Object

_KEY = re.compile(r"[-._a-zA-Z0-9]+")
_KEY_LENGTH = 253
_KEY_RULE = (
    "a valid config key must consist of alphanumeric characters, '-', '_' or '.' (e.g. 'key.name',  or 'KEY_NAME',  or "
    "'key-name', regex used for validation is '[-._a-zA-Z0-9]+')"
)
_IMMUTABLE = "field is immutable when `immutable` is set"


def validate_keys(obj: Object) -> list[FieldError]:
    """Return an error for each key that is no file name."""
    return [
        invalid(f"{part}[{key}]", key, _KEY_RULE)
        for part in ("data", "binaryData")
        for key in obj.get(part) or {}
        if not _KEY.fullmatch(key) or len(key) > _KEY_LENGTH or key in (".", "..")
    ]


_REQUIRED_KEYS = {
    "kubernetes.io/tls": ("tls.crt", "tls.key"),
    "kubernetes.io/dockerconfigjson": (".dockerconfigjson",),
    "kubernetes.io/dockercfg": (".dockercfg",),
    "kubernetes.io/ssh-auth": ("ssh-privatekey",),
}
"""By type of Secret. Source: `ValidateSecret` of Kubernetes 1.34."""


def validate_secret(obj: Object) -> list[FieldError]:
    """Return an error for each key that is no file name and each value that is not base64, which is not repeated."""
    errors = validate_keys(obj)
    for name, value in (obj.get("data") or {}).items():
        try:
            base64.b64decode(value or "", validate=True)
        except (binascii.Error, ValueError):
            errors.append(invalid(f"data[{name}]", "<secret contents redacted>", "must be base64"))
    needed = _REQUIRED_KEYS.get(obj.get("type", ""), ())
    errors.extend(required(f"data[{name}]") for name in needed if name not in (obj.get("data") or {}))
    return errors


def validate_data_update(new: Object, old: Object) -> list[FieldError]:
    """Return an error when an update changes immutable data, or the type of a Secret."""
    errors = []
    if new.get("type") != old.get("type"):
        errors.append(invalid("type", new.get("type"), "field is immutable"))
    if old.get("immutable"):
        names = [name for name in ("immutable", "data", "binaryData") if new.get(name) != old.get(name)]
        errors.extend(FieldError(Cause.FORBIDDEN, name, None, _IMMUTABLE) for name in names)
    return errors
