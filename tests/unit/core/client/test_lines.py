"""Lines come out whole, however the chunks were cut."""

from hypothesis import given
from hypothesis import strategies as st

from kaito.core.client.lines import LineSplitter


@given(st.lists(st.binary(min_size=1, max_size=20).filter(lambda b: b"\n" not in b and b.strip())), st.data())
def test_any_cutting_gives_the_same_lines(lines, data):
    stream = b"".join(line + b"\n" for line in lines)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=8)))
    splitter = LineSplitter()
    found = []
    for begin, end in zip([0, *cuts], [*cuts, len(stream)], strict=True):
        found += splitter.feed(stream[begin:end])
    assert found == lines
    assert not splitter.incomplete


def test_an_unfinished_line_is_kept_back():
    splitter = LineSplitter()
    assert splitter.feed(b"a\nb") == [b"a"]
    assert splitter.incomplete
    assert splitter.feed(b"c\n\n") == [b"bc"]
    assert not splitter.incomplete
