import pytest

from kaito.runtime.front import asgi, intake
from kaito.runtime.front.errors import Refused


async def read(parts: list[bytes], limit: int) -> bytes | Refused | None:
    """Read a body that comes in these parts, and leave in `parts` those that nobody has read."""

    async def receive() -> asgi.Message:
        return {"type": "http.request", "body": parts.pop(0), "more_body": bool(parts)}

    return await intake.read_body({"type": "http", "method": "POST"}, receive, limit)


async def test_a_body_within_its_bound_comes_whole_however_little_of_a_longer_one_is_read(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(intake, "DISCARDED_BYTES", 10)
    assert await read([b"x" * 8] * 4, limit=100) == b"x" * 32


@pytest.mark.parametrize(("limit", "unread"), [(5, 2), (20, 0), (31, 0)])
async def test_so_much_of_a_body_is_read_beyond_its_bound_and_no_more(
    monkeypatch: pytest.MonkeyPatch, limit: int, unread: int
) -> None:
    monkeypatch.setattr(intake, "DISCARDED_BYTES", 10)
    parts = [b"x" * 8] * 4
    answer = await read(parts, limit)
    assert isinstance(answer, Refused)
    assert (answer.status, len(parts)) == (413, unread)
