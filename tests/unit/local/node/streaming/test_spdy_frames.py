"""SPDY frames: what is written is read back, however the bytes are cut."""

import contextlib
from struct import pack

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kaito.local.node.streaming import spdy_frames as frames
from kaito.local.node.streaming.spdy_frames import Frame, FrameError, FrameReader, FrameWriter

NUMBERS = st.integers(1, 0x7FFFFFFF)
STATUSES = st.integers(0, 0xFFFFFFFF)
NAMES = st.sampled_from(["streamtype", "port", "requestid", "x"])
HEADERS = st.dictionaries(NAMES, st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=30))
FRAMES: st.SearchStrategy[Frame] = st.one_of(
    st.builds(frames.Data, NUMBERS, st.binary(max_size=300), st.booleans()),
    st.builds(frames.SynStream, NUMBERS, HEADERS, st.booleans()),
    st.builds(frames.SynReply, NUMBERS, HEADERS, st.booleans()),
    st.builds(frames.Headers, NUMBERS, HEADERS, st.booleans()),
    st.builds(frames.RstStream, NUMBERS, STATUSES),
    st.builds(frames.Settings, st.dictionaries(st.integers(1, 0xFFFFFF), STATUSES, max_size=4)),
    st.builds(frames.Ping, STATUSES),
    st.builds(frames.GoAway, NUMBERS, STATUSES),
    st.builds(frames.WindowUpdate, NUMBERS, NUMBERS),
)


@given(st.lists(FRAMES, max_size=12), st.integers(1, 50))
def test_frames_come_back_however_the_bytes_are_cut(sent: list[Frame], cut: int) -> None:
    writer, reader = FrameWriter(), FrameReader()
    data = b"".join(writer.encode(frame) for frame in sent)
    pieces = [data[start : start + cut] for start in range(0, len(data), cut)]
    assert [frame for piece in pieces for frame in reader.feed(piece)] == sent


@given(st.binary(max_size=400))
def test_any_bytes_are_frames_or_a_frame_error(data: bytes) -> None:
    with contextlib.suppress(FrameError):
        list(FrameReader().feed(data))


def test_what_a_client_of_kubernetes_sends_first_is_understood() -> None:
    """The bytes of a real SYN_STREAM's frame head: version 3, type 1, no flags, stream 1, priority 0."""
    block = FrameWriter().encode(frames.SynStream(1, {"streamtype": "error"}))[18:]
    data = bytes.fromhex("8003 0001") + pack(">I", 10 + len(block)) + bytes.fromhex("00000001 00000000 0000") + block
    assert list(FrameReader().feed(data)) == [frames.SynStream(1, {"streamtype": "error"})]


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ("8002 0006 00000004 00000001", "version 2"),
        ("8003 0006 00000002 0001", "cut short"),
        ("8003 0001 00ffffff", "a control frame of 16777215 bytes"),
        ("8003 0004 00000004 00000009", "SETTINGS frame is cut short"),
        ("8003 0002 00000008 00000001 deadbeef", "cannot be decompressed"),
    ],
)
def test_what_is_no_spdy_is_named(data: str, words: str) -> None:
    with pytest.raises(FrameError, match=words):
        list(FrameReader().feed(bytes.fromhex(data)))


def test_unknown_control_frames_are_passed_over() -> None:
    data = bytes.fromhex("8003 00ff 00000002 abcd") + FrameWriter().encode(frames.Ping(1))
    assert list(FrameReader().feed(data)) == [frames.Ping(1)]


def test_data_beyond_a_frame_is_refused() -> None:
    with pytest.raises(ValueError, match="a frame holds less"):
        FrameWriter().encode(frames.Data(1, bytes(frames.FRAME_LIMIT)))
