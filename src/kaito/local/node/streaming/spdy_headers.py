"""SPDY/3's header blocks: names and values, compressed with one zlib stream per direction and a fixed dictionary.

Source: SPDY Protocol, Draft 3.1, sections 2.6.10 and 2.6.10.1.
"""

import zlib
from collections.abc import Mapping
from itertools import starmap
from struct import pack, unpack_from

BLOCK_LIMIT = 64 * 1024
"""Bytes of a decompressed block that are accepted; what Kubernetes' clients send is below 1 KiB."""

_WORDS = """
options head post put delete trace accept accept-charset accept-encoding accept-language accept-ranges age allow
authorization cache-control connection content-base content-encoding content-language content-length content-location
content-md5 content-range content-type date etag expect expires from host if-match if-modified-since if-none-match
if-range if-unmodified-since last-modified location max-forwards pragma proxy-authenticate proxy-authorization range
referer retry-after server te trailer transfer-encoding upgrade user-agent vary via warning www-authenticate method get
status|200 OK|version|HTTP/1.1|url public set-cookie keep-alive origin
"""
_TAIL = (
    b"100101201202205206300302303304305306307402405406407408409410411412413414415416417502504505203 Non-Authoritative "
    b"Information204 No Content301 Moved Permanently400 Bad Request401 Unauthorized403 Forbidden404 Not Found500 "
    b"Internal Server Error501 Not Implemented503 Service UnavailableJan Feb Mar Apr May Jun Jul Aug Sept Oct Nov Dec "
    b"00:00:00 Mon, Tue, Wed, Thu, Fri, Sat, Sun, GMTchunked,text/html,image/png,image/jpg,image/gif,application/xml,"
    b"application/xhtml+xml,text/plain,text/javascript,publicprivatemax-age=gzip,deflate,sdchcharset=utf-8charset="
    b"iso-8859-1,utf-,*,enq=0."
)


def _words() -> list[str]:
    *plain, mixed = _WORDS.strip().split("\n")
    first, *middle, last = mixed.split("|")
    return [*" ".join(plain).split(), first, *middle, *last.split()]


DICTIONARY = b"".join(pack(">I", len(word)) + word.encode() for word in _words()) + _TAIL


class HeaderError(ValueError):
    """A block that is broken or too large; the connection cannot go on, for its compression state is lost."""


class HeaderEncoder:
    """Compresses the blocks of one direction."""

    def __init__(self) -> None:
        self._zlib = zlib.compressobj(zdict=DICTIONARY)

    def encode(self, headers: Mapping[str, str]) -> bytes:
        """Return the block; names go out in lower case, as the protocol demands."""
        pairs = b"".join(starmap(_pair, headers.items()))
        return self._zlib.compress(pack(">I", len(headers)) + pairs) + self._zlib.flush(zlib.Z_SYNC_FLUSH)


def _pair(name: str, value: str) -> bytes:
    texts = (name.lower().encode("latin-1"), value.encode("latin-1"))
    return b"".join(pack(">I", len(text)) + text for text in texts)


class HeaderDecoder:
    """Decompresses the blocks of the other direction."""

    def __init__(self) -> None:
        self._zlib = zlib.decompressobj(zdict=DICTIONARY)

    def decode(self, block: bytes) -> dict[str, str]:
        """Return the headers by lower-case name; of several values of one name the first. Raises HeaderError."""
        try:
            data = self._zlib.decompress(block, BLOCK_LIMIT)
        except zlib.error as error:
            raise HeaderError(f"a header block cannot be decompressed: {error}") from None
        if self._zlib.unconsumed_tail:
            raise HeaderError(f"a header block is larger than {BLOCK_LIMIT} bytes")
        if len(data) < 4:
            raise HeaderError("a header block is cut short")
        count = unpack_from(">I", data)[0]
        offset, headers = 4, {}
        for _ in range(count):
            name, offset = _text(data, offset)
            value, offset = _text(data, offset)
            headers[name.lower()] = value.partition("\0")[0]
        return headers


def _text(data: bytes, offset: int) -> tuple[str, int]:
    start = offset + 4
    if start > len(data):
        raise HeaderError("a header block is cut short")
    end = start + unpack_from(">I", data, offset)[0]
    if end > len(data):
        raise HeaderError("a header block is cut short")
    return data[start:end].decode("latin-1"), end
