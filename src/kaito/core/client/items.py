"""Items out of the chunks of a list's body, so that a list of any size is neither held nor parsed as a whole."""

from typing import Final

import msgspec

from kaito.core.client.codec import RawList, read_items, read_list

_ITEMS: Final = b'"items":['
_LONGEST_HEAD: Final = 64 << 10
_LONGEST_SEARCH: Final = 8 << 20
_GUESSES: Final = 4


class ItemSplitter:
    """Collects chunks and gives out the items that they complete; `finish` gives the last ones and the metadata.

    An API server writes every item of a list alike, so the bytes that begin the first one, behind `},`, are where
    others may begin. Each guess is proved by parsing: what ends within an item is no JSON. A list that is written in
    another way is parsed as a whole.
    """

    def __init__(self) -> None:
        self._head: RawList | None = None
        self._boundary = b""
        self._rest: list[bytes] = []
        self._whole = False

    def feed(self, chunk: bytes) -> list[msgspec.Raw]:
        """Take a chunk; return complete items, views into bytes that are not kept here."""
        self._rest.append(chunk)
        if self._whole or not (self._boundary or self._begun()) or self._boundary not in self._rest[-1]:
            return []
        return self._split(b"".join(self._rest))

    def finish(self) -> RawList:
        """Return the items that are left and the metadata. Raises msgspec.MsgspecError if what came is no list."""
        rest = b"".join(self._rest)
        if self._head is None:
            return read_list(rest)
        last = read_list(b"{" + _ITEMS + rest)
        metadata = last.metadata if last.metadata.resource_version else self._head.metadata
        return RawList(self._head.kind or last.kind, metadata, last.items)

    def _begun(self) -> bool:
        """Find where the items begin, and what with."""
        body = b"".join(self._rest)
        self._rest = [body]
        head, found, items = body.partition(_ITEMS)
        first, colon, _ = items.partition(b'":')
        if not colon:
            self._whole = len(body) > _LONGEST_HEAD
            return False
        try:
            self._head = read_list(head + found + b"]}")
        except msgspec.MsgspecError:
            self._whole = True
            return False
        self._rest = [items]
        self._boundary = b"}," + first + colon
        return True

    def _split(self, rest: bytes) -> list[msgspec.Raw]:
        end = len(rest)
        for _ in range(_GUESSES):
            end = rest.rfind(self._boundary, 0, end)
            if end < 0:
                break
            try:
                items = read_items(b"[" + rest[: end + 1] + b"]")
            except msgspec.MsgspecError:
                continue
            self._rest = [rest[end + 2 :]]
            return items
        self._rest = [rest]
        self._whole = len(rest) > _LONGEST_SEARCH
        return []
