"""The adapters of Workspaces, as tables and chains show them. Pure."""

from collections.abc import Iterator, Sequence
from typing import Final

from kaito.cli.explain import Link, State
from kaito.core import Object

HEADING: Final = ("ADAPTER", "STATE", "STRENGTH", "RANK", "SOURCE", "MESSAGE")

_STATES: Final[dict[str, State]] = {"Ready": "ok", "Failed": "failed"}


def adapter_rows(workspace: Object) -> list[tuple[str, ...]]:
    """Return a row for each adapter, in the order of HEADING."""
    return [
        (
            adapter["name"],
            adapter["state"],
            adapter.get("strength") or "1",
            str(adapter.get("rank") or "-"),
            adapter.get("source") or "-",
            _said(adapter) or "-",
        )
        for adapter in _adapters(workspace)
    ]


def adapter_links(workspace: Object) -> Iterator[Link]:
    """Yield a link for each adapter, with what it waits for or failed of."""
    for adapter in _adapters(workspace):
        state = _STATES.get(adapter["state"], "waiting")
        said = _said(adapter)
        yield Link(f"adapter {adapter['name']}", state, f"{adapter['state']}: {said}" if said else adapter["state"])


def _adapters(workspace: Object) -> Sequence[Object]:
    return (workspace.get("status") or {}).get("adapters") or ()


def _said(adapter: Object) -> str:
    return ": ".join(text for text in (adapter.get("reason"), adapter.get("message")) if text)
