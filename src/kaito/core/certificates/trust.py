"""The authorities in a webhook configuration. Pure."""

import base64
from typing import Any

from kaito.core.objects import Object


def distrusting(configuration: Object, bundle: bytes) -> list[dict[str, Any]]:
    """Return the JSON patch that makes every webhook of a configuration trust `bundle`; empty when all do.

    Each change tests the name of the webhook at its place, so that it fails when the list has changed meanwhile.
    """
    wanted = base64.b64encode(bundle).decode()
    operations: list[dict[str, Any]] = []
    for index, webhook in enumerate(configuration.get("webhooks") or ()):
        if webhook["clientConfig"].get("caBundle") == wanted:
            continue
        place = f"/webhooks/{index}"
        operations.append({"op": "test", "path": f"{place}/name", "value": webhook["name"]})
        operations.append({"op": "add", "path": f"{place}/clientConfig/caBundle", "value": wanted})
    return operations
