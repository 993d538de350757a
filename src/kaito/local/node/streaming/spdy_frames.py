"""SPDY/3.1 frames: bytes to frames and back, without I/O.

Kubernetes' streams (exec, attach, port-forward) are SPDY/3.1 on the wire between kube-apiserver and kubelet.
Source: SPDY Protocol, Draft 3.1, section 2.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from struct import pack, unpack_from

from kaito.local.node.streaming.spdy_headers import HeaderDecoder, HeaderEncoder, HeaderError

VERSION = 3
FRAME_LIMIT = 1 << 24
"""A frame's length has 24 bits."""
CONTROL_LIMIT = 1 << 16
"""Bytes of a control frame that are accepted."""
FIN = 1

PROTOCOL_ERROR, INVALID_STREAM, REFUSED_STREAM, CANCEL = 1, 2, 3, 5
"""Status codes of RST_STREAM."""

_SYN_STREAM, _SYN_REPLY, _RST_STREAM, _SETTINGS, _PING, _GOAWAY, _HEADERS, _WINDOW_UPDATE = 1, 2, 3, 4, 6, 7, 8, 9
_MINIMUM = {
    _SYN_STREAM: 10, _SYN_REPLY: 4, _RST_STREAM: 8, _SETTINGS: 4, _PING: 4, _GOAWAY: 8, _HEADERS: 4, _WINDOW_UPDATE: 8,
}  # fmt: skip
_STREAM_MASK = 0x7FFFFFFF


class FrameError(ValueError):
    """Bytes that are no SPDY/3.1; the connection cannot go on."""


@dataclass(frozen=True)
class Data:
    """Bytes of a stream; with `fin` its sender sends no more."""

    stream: int
    data: bytes
    fin: bool = False


@dataclass(frozen=True)
class SynStream:
    """Opens a stream. Priorities are not used here."""

    stream: int
    headers: dict[str, str] = field(default_factory=dict)
    fin: bool = False


@dataclass(frozen=True)
class SynReply:
    """Accepts a stream."""

    stream: int
    headers: dict[str, str] = field(default_factory=dict)
    fin: bool = False


@dataclass(frozen=True)
class Headers:
    """More headers of an open stream."""

    stream: int
    headers: dict[str, str] = field(default_factory=dict)
    fin: bool = False


@dataclass(frozen=True)
class RstStream:
    """Ends a stream at once, in both directions."""

    stream: int
    status: int


@dataclass(frozen=True)
class Settings:
    """Settings of the peer by id."""

    values: dict[int, int]


@dataclass(frozen=True)
class Ping:
    """To be sent back as it came."""

    number: int


@dataclass(frozen=True)
class GoAway:
    """The peer opens no more streams."""

    last_stream: int
    status: int = 0


@dataclass(frozen=True)
class WindowUpdate:
    """The peer has taken `delta` bytes of a stream."""

    stream: int
    delta: int


Frame = Data | SynStream | SynReply | Headers | RstStream | Settings | Ping | GoAway | WindowUpdate


class FrameWriter:
    """Frames to bytes. Header blocks share one compression state, so frames must be sent in the order of encoding."""

    def __init__(self) -> None:
        self._headers = HeaderEncoder()

    def encode(self, frame: Frame) -> bytes:
        """Return the bytes of one frame. Raises ValueError for data beyond a frame's length."""
        match frame:
            case Data(stream, data, fin):
                if len(data) >= FRAME_LIMIT:
                    raise ValueError(f"a frame holds less than {FRAME_LIMIT} bytes")
                return pack(">II", stream, fin << 24 | len(data)) + data
            case SynStream(stream, headers, fin):
                return _control(_SYN_STREAM, pack(">IIH", stream, 0, 0) + self._headers.encode(headers), fin)
            case SynReply(stream, headers, fin):
                return _control(_SYN_REPLY, pack(">I", stream) + self._headers.encode(headers), fin)
            case Headers(stream, headers, fin):
                return _control(_HEADERS, pack(">I", stream) + self._headers.encode(headers), fin)
            case RstStream(stream, status):
                return _control(_RST_STREAM, pack(">II", stream, status))
            case Settings(values):
                entries = b"".join(pack(">II", number, value) for number, value in values.items())
                return _control(_SETTINGS, pack(">I", len(values)) + entries)
            case Ping(number):
                return _control(_PING, pack(">I", number))
            case GoAway(last, status):
                return _control(_GOAWAY, pack(">II", last, status))
            case WindowUpdate(stream, delta):
                return _control(_WINDOW_UPDATE, pack(">II", stream, delta))


def _control(kind: int, payload: bytes, fin: bool = False) -> bytes:
    return pack(">HHI", 0x8000 | VERSION, kind, fin << 24 | len(payload)) + payload


class FrameReader:
    """Bytes to frames, however they are cut."""

    def __init__(self) -> None:
        self._headers = HeaderDecoder()
        self._buffer = bytearray()

    def feed(self, data: bytes) -> Iterator[Frame]:
        """Take bytes in and yield the frames that are whole now. Raises FrameError."""
        self._buffer += data
        while len(self._buffer) >= 8:
            first, second = unpack_from(">II", self._buffer)
            length = second & (FRAME_LIMIT - 1)
            control = bool(first & 0x80000000)
            if control and length > CONTROL_LIMIT:
                raise FrameError(f"a control frame of {length} bytes")
            if len(self._buffer) < 8 + length:
                return
            payload = bytes(self._buffer[8 : 8 + length])
            del self._buffer[: 8 + length]
            fin = bool(second >> 24 & FIN)
            if not control:
                yield Data(first, payload, fin)
            elif frame := self._control(first, payload, fin):
                yield frame

    def _control(self, first: int, payload: bytes, fin: bool) -> Frame | None:
        version, kind = first >> 16 & 0x7FFF, first & 0xFFFF
        if version != VERSION:
            raise FrameError(f"a frame of SPDY version {version}; this is version {VERSION}")
        if kind not in _MINIMUM:
            return None  # to be ignored. Source: section 2.2
        if len(payload) < _MINIMUM[kind]:
            raise FrameError(f"a control frame of type {kind} is cut short")
        try:
            return self._parsed(kind, payload, fin)
        except HeaderError as error:
            raise FrameError(str(error)) from None

    def _parsed(self, kind: int, payload: bytes, fin: bool) -> Frame:
        number: int = unpack_from(">I", payload)[0]
        if kind == _PING:
            return Ping(number)
        if kind == _SETTINGS:
            return Settings(_settings(number, payload))
        stream = number & _STREAM_MASK
        if kind == _SYN_STREAM:
            return SynStream(stream, self._headers.decode(payload[10:]), fin)
        if kind == _SYN_REPLY:
            return SynReply(stream, self._headers.decode(payload[4:]), fin)
        if kind == _HEADERS:
            return Headers(stream, self._headers.decode(payload[4:]), fin)
        value: int = unpack_from(">I", payload, 4)[0]
        if kind == _RST_STREAM:
            return RstStream(stream, value)
        if kind == _GOAWAY:
            return GoAway(stream, value)
        return WindowUpdate(stream, value & _STREAM_MASK)


def _settings(count: int, payload: bytes) -> dict[int, int]:
    if len(payload) < 4 + 8 * count:
        raise FrameError("a SETTINGS frame is cut short")
    entries = (unpack_from(">II", payload, 4 + 8 * index) for index in range(count))
    return {number & 0xFFFFFF: value for number, value in entries}
