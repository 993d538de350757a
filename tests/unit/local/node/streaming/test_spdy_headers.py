"""SPDY's header blocks."""

import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kaito.local.node.streaming.spdy_headers import BLOCK_LIMIT, DICTIONARY, HeaderDecoder, HeaderEncoder, HeaderError

NAMES = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=20).map(str.lower)
VALUES = st.text(st.characters(min_codepoint=32, max_codepoint=255), max_size=200)


def test_the_dictionary_is_that_of_the_protocol() -> None:
    # the DICTID that section 2.6.10.1 of the draft names
    assert zlib.adler32(DICTIONARY) == 0xE3C6A7C2


@given(st.lists(st.dictionaries(NAMES, VALUES, max_size=8), max_size=5))
def test_blocks_of_one_direction_come_back_in_order(blocks: list[dict[str, str]]) -> None:
    encoder, decoder = HeaderEncoder(), HeaderDecoder()
    assert [decoder.decode(encoder.encode(block)) for block in blocks] == blocks


def test_names_are_lower_case_whoever_sent_them() -> None:
    assert HeaderDecoder().decode(HeaderEncoder().encode({"StreamType": "Error"})) == {"streamtype": "Error"}


@given(st.binary(max_size=100))
def test_a_broken_block_is_an_error_and_no_crash(block: bytes) -> None:
    compressor = zlib.compressobj(zdict=DICTIONARY)
    wrapped = compressor.compress(b"\xff\xff\xff\xff" + block) + compressor.flush(zlib.Z_SYNC_FLUSH)
    for each in (block, wrapped):
        with pytest.raises(HeaderError):
            HeaderDecoder().decode(each)


def test_a_block_that_grows_without_bound_is_refused() -> None:
    compressor = zlib.compressobj(zdict=DICTIONARY)
    bomb = compressor.compress(bytes(100 * BLOCK_LIMIT)) + compressor.flush(zlib.Z_SYNC_FLUSH)
    with pytest.raises(HeaderError, match="larger"):
        HeaderDecoder().decode(bomb)
