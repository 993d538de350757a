"""Which applies need no request, because a cache shows the object to be so already."""

from typing import Final, Protocol

from kaito.core.client.apply import is_applied
from kaito.core.client.meaning import already_says
from kaito.core.objects import Key, Object
from kaito.core.recent import Recent

_REMEMBERED_APPLIES: Final = 65_536


class LiveObjects(Protocol):
    """What the client asks of a cache: the live object, if the kind is cached and the object exists."""

    def live(self, api_version: str, kind: str, key: Key) -> Object | None:
        """Return a private copy of the cached object, or None."""
        ...


class AppliedObjects:
    """Compares what is to be applied with `live`, a cache; without one, every apply is sent.

    Subresources cannot carry the annotation, so their digests are remembered here; after a restart of the process the
    first apply is sent, and changes nothing.
    """

    def __init__(self) -> None:
        self.live: LiveObjects | None = None
        self._marks: Recent[tuple[str, str, Key, str], str] = Recent(_REMEMBERED_APPLIES)

    def find(self, desired: Object, key: Key, subresource: str, mark: str) -> Object | None:
        """Return the cached object if it is as desired."""
        api_version, kind = desired["apiVersion"], desired["kind"]
        if self.live is None or (live := self.live.live(api_version, kind, key)) is None:
            return None
        if not subresource:
            return live if is_applied(live, desired, mark) else None
        remembered = self._marks.get((api_version, kind, key, subresource))
        same = remembered == f"{mark} {live['metadata'].get('uid', '')}"
        return live if same and already_says(live, desired) else None

    def remember(self, desired: Object, key: Key, subresource: str, mark: str) -> None:
        """Remember an apply of a subresource that was answered."""
        place = (desired["apiVersion"], desired["kind"], key, subresource)
        live = self.live.live(*place[:3]) if self.live is not None else None
        if live is None:
            return
        self._marks.put(place, f"{mark} {live['metadata'].get('uid', '')}")
