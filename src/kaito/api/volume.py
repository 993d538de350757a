"""The volumes that data and adapters come from: `core/v1.VolumeSource`, its everyday kinds with their fields.

Source of the fields and limits: Kubernetes 1.34, `k8s.io/api/core/v1` and its validation. Other kinds are kept as they
are. A volume that the API server would refuse in a pod is refused in the Workspace, where its author sees it.
"""

from typing import Annotated, Any, Final

from pydantic import WithJsonSchema

from kaito.api.fields import Rule, rules
from kaito.api.formats import DRIVER, REFERENCE, Schema, matches

_NAME: Final[Schema] = {"type": "string", "minLength": 1, "maxLength": 253}
_PATH: Final[Schema] = {"type": "string", "minLength": 1, "maxLength": 1024}
_TEXT: Final[Schema] = {"type": "string", "maxLength": 1024}
_FLAG: Final[Schema] = {"type": "boolean"}
_MODE: Final[Schema] = {"type": "integer", "format": "int32", "minimum": 0, "maximum": 0o777}
_OBJECT_NAME: Final[Schema] = {
    **_NAME,
    **matches(
        REFERENCE, "must be the name of an object in the Workspace's namespace: lower-case letters, digits, '-' and '.'"
    ),
}
_NO_WAY_UP: Final = rules(Rule("!self.matches('(^|/)[.][.](/|$)')", "must not have '..' in it: name the folder itself"))

_BELOW: Final = rules(
    Rule("!self.startsWith('/')", "must be a relative path"),
    Rule("!self.matches('(^|/)[.][.](/|$)')", "must not have '..' in it: name the file itself"),
)


def _kind(required: tuple[str, ...] = (), **properties: Schema) -> Schema:
    schema: Schema = {"type": "object", "properties": properties}
    return {**schema, "required": list(required)} if required else schema


_ITEMS: Final[Schema] = {
    "type": "array",
    "maxItems": 64,
    "items": _kind(("key", "path"), key=_NAME, path={**_PATH, **_BELOW}, mode=_MODE),
}
_DISK_URI: Final = rules(
    Rule(
        "self.diskURI.startsWith(has(self.kind) && self.kind == 'Managed' ? '/subscriptions/' : 'https://')",
        "must begin with /subscriptions/ for a disk of kind Managed, and with https:// for any other",
        ".diskURI",
    )
)
_KEYS: Final[dict[str, Schema]] = {"items": _ITEMS, "defaultMode": _MODE, "optional": _FLAG}

KINDS: Final[dict[str, Schema]] = {
    "hostPath": _kind(
        ("path",),
        path={**_PATH, **_NO_WAY_UP},
        type={
            "type": "string",
            "enum": [
                "",
                "DirectoryOrCreate",
                "Directory",
                "FileOrCreate",
                "File",
                "Socket",
                "CharDevice",
                "BlockDevice",
            ],
        },
    ),
    "persistentVolumeClaim": _kind(("claimName",), claimName=_OBJECT_NAME, readOnly=_FLAG),
    "nfs": _kind(("server", "path"), server=_NAME, path={**_PATH, "pattern": "^/"}, readOnly=_FLAG),
    "configMap": _kind(("name",), name=_OBJECT_NAME, **_KEYS),
    "secret": _kind(("secretName",), secretName=_OBJECT_NAME, **_KEYS),
    "image": _kind(
        ("reference",),
        reference=_PATH,
        pullPolicy={"type": "string", "enum": ["Always", "IfNotPresent", "Never"]},
    ),
    "csi": _kind(
        ("driver",),
        driver={"type": "string", "minLength": 1, "maxLength": 63, **matches(DRIVER, "must be a domain name")},
        readOnly=_FLAG,
        fsType=_TEXT,
        volumeAttributes={"type": "object", "maxProperties": 64, "additionalProperties": _TEXT},
        nodePublishSecretRef=_kind(("name",), name=_OBJECT_NAME),
    ),
    "azureFile": _kind(("secretName", "shareName"), secretName=_OBJECT_NAME, shareName=_NAME, readOnly=_FLAG),
    "azureDisk": {
        **_kind(
            ("diskName", "diskURI"),
            diskName=_NAME,
            diskURI=_PATH,
            cachingMode={"type": "string", "enum": ["None", "ReadOnly", "ReadWrite"]},
            fsType=_TEXT,
            readOnly=_FLAG,
            kind={"type": "string", "enum": ["Shared", "Dedicated", "Managed"]},
        ),
        **_DISK_URI,
    },
}
"""Kinds whose fields are checked."""

OTHER_KINDS: Final = frozenset(
    (
        *("awsElasticBlockStore", "cephfs", "cinder", "ephemeral", "fc", "flexVolume", "flocker", "gcePersistentDisk"),
        *("glusterfs", "iscsi", "photonPersistentDisk", "portworxVolume", "projected", "quobyte", "rbd", "scaleIO"),
        *("storageos", "vsphereVolume"),
    )
)
"""Kinds that are kept as they are. `emptyDir`, `downwardAPI` and `gitRepo` are none: nobody can have put data there."""

Volume = Annotated[
    dict[str, Any],
    WithJsonSchema(
        {
            "type": "object",
            "x-kubernetes-preserve-unknown-fields": True,
            "minProperties": 1,
            "maxProperties": 1,
            "properties": KINDS,
        }
    ),
]
"""A volume source: one property, that of its kind."""
