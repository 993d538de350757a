"""What a server's status means for an adapter. Pure."""

from kaito.runtime.adapters.failure import AdapterError
from kaito.runtime.adapters.sources.limits import TransientError


def refused(status: int, what: str, *, remedy: str = "") -> AdapterError:
    """Return the error for an answer that does not hold `what`.

    All pass: an image may be pushed, and a Secret made, after the Workspace; kubelet goes on asking in these cases
    too. Those of a server in trouble are worth another attempt at once; one that asks for fewer requests gets them.
    """
    said = f"{what}: the server answered {status}."
    if remedy:
        said += f" {remedy}"
    if status in {401, 403}:
        return AdapterError("SourceUnauthorized", said, passes=True)
    if status in {404, 410}:
        return AdapterError("SourceNotFound", said, passes=True)
    if status >= 500:
        return TransientError("SourceUnreachable", said)
    return AdapterError("SourceUnreachable", said, passes=True)
