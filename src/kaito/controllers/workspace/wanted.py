"""Which adapters the servers of a Workspace are to have: the set that goes to them beside the pod. Pure."""

import json
import re
from typing import Final

from kaito.api import AdapterSpec, DataSource, InferenceSpec, Workspace
from kaito.contracts import ADAPTERS_PATH, CONTRACT_VERSION, AdapterSet, WantedAdapter

_WORD: Final = r"[A-Za-z0-9][-_.A-Za-z0-9]*"
_HUB: Final = re.compile(rf"https://(?:huggingface\.co|hf\.co)/({_WORD}/{_WORD})(?:/tree/({_WORD}))?/?")
_FULL_STRENGTH: Final = re.compile(r"1(\.0+)?")
_LONGEST_SOURCE: Final = 512


def adapters_of(workspace: Workspace) -> tuple[AdapterSpec, ...]:
    """Return the adapters that a Workspace asks for, in its order."""
    return (workspace.inference or InferenceSpec()).adapters


def wanted_set(workspace: Workspace) -> AdapterSet:
    """Return the set of this generation: adapters from images, URLs and the hub, and volumes at part of their strength.

    Other volumes are mounted in the pod's adapter directory, where the server finds and follows them by itself.
    """
    adapters = (_wanted(adapter) for adapter in adapters_of(workspace))
    return AdapterSet(
        contractVersion=CONTRACT_VERSION,
        generation=workspace.metadata.generation,
        adapters=[adapter for adapter in adapters if adapter is not None],
    )


def pull_secrets(workspace: Workspace) -> tuple[str, ...]:
    """Return the names of the Secrets that its adapters' images are pulled with, sorted."""
    named = (one.source.image_pull_secrets for one in adapters_of(workspace) if one.source.image is not None)
    return tuple(sorted({secret for secrets in named for secret in secrets}))


def source_text(source: DataSource) -> str:
    """Return where an adapter comes from, for a person. A URL's query is left out, since it may be a signature."""
    if source.image is not None:
        return source.image
    if source.urls:
        hub = _hub(source.urls)
        more = f" and {len(source.urls) - 1} more" if len(source.urls) > 1 else ""
        return hub or (source.urls[0].partition("?")[0] + more)[:_LONGEST_SOURCE]
    return ("volume " + json.dumps(source.volume_source, sort_keys=True))[:_LONGEST_SOURCE]


def _wanted(adapter: AdapterSpec) -> WantedAdapter | None:
    source = adapter.source
    wanted = WantedAdapter(name=source.name or "")
    if source.image is not None:
        wanted["image"] = source.image
        if source.image_pull_secrets:
            wanted["imagePullSecrets"] = list(source.image_pull_secrets)
    elif source.urls and (hub := _hub(source.urls)):
        wanted["hub"] = hub
    elif source.urls:
        wanted["urls"] = list(source.urls)
    elif adapter.strength is None or _FULL_STRENGTH.fullmatch(adapter.strength):
        return None
    else:
        wanted["path"] = f"{ADAPTERS_PATH}/{source.name}"
    if adapter.strength is not None:
        wanted["strength"] = adapter.strength
    return wanted


def _hub(urls: tuple[str, ...]) -> str:
    """Return `owner/repository[@revision]` for the address of a hub repository, empty for any other."""
    found = _HUB.fullmatch(urls[0]) if len(urls) == 1 else None
    if found is None:
        return ""
    return found[1] + (f"@{found[2]}" if found[2] else "")
