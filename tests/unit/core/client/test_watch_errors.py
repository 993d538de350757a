"""An ERROR line of a watch, which carries a Status, becomes the exception for it."""

from kaito.core.client.codec import read_event
from kaito.core.client.watch import error_of
from kaito.core.errors import ExpiredError


def test_an_error_event_is_raised_as_its_status_says() -> None:
    line = b'{"type":"ERROR","object":{"kind":"Status","code":410,"reason":"Expired","message":"too old"}}'
    error = error_of(read_event(line))
    assert isinstance(error, ExpiredError)
    assert error.message == "too old"
