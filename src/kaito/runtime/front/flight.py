"""One request on its way through vLLM's application: held back until it has begun, and cut short where it must end."""

import asyncio
import contextlib
import json
from collections import Counter
from collections.abc import Callable, Iterator

from kaito.runtime.front import asgi
from kaito.runtime.front.errors import COME_AGAIN, Refused, error_of_event, refused
from kaito.runtime.front.intake import read_body

CUT_SECONDS = 1.0
"""How long an application may take to notice that its client is said to have gone, before its task is cancelled."""

_DISCONNECT: asgi.Message = {"type": "http.disconnect"}
_EVENT_STREAM = b"text/event-stream"


class Flight:
    """Stands between a client and the application that answers it.

    The start of an answer is held back until its first byte: vLLM begins a stream with 200 before it knows whether the
    engine takes the request, and an error that is the first event becomes a status here. `cut` ends the request: the
    application is told that its client has gone, which is how it gives the engine's slot back, and the client is told
    why. `deadline` is on the event loop's clock; `headers` are added to whatever is answered.
    """

    def __init__(
        self,
        receive: asgi.Receive,
        send: asgi.Send,
        *,
        headers: Callable[[], list[tuple[bytes, bytes]]],
        clock: Callable[[], float],
    ) -> None:
        self.deadline: float | None = None
        self.body: bytes | None = None
        self.status = 0
        self.refused_by = ""
        self.first_byte: float | None = None
        self.tail = b""
        self.chunks = 0
        self.gone = False
        self.streams = False
        self.cut_by: Refused | None = None
        self._receive_outer = receive
        self._send_outer = send
        self._headers = headers
        self._clock = clock
        self._start: asgi.Message | None = None
        self._patience: asyncio.Timeout | None = None
        self._ended = False
        self._task = asyncio.current_task()

    async def take_body(self, scope: asgi.Scope, limit: int) -> Refused | None:
        """Read the body, for the steps and then for the application. Returns why it is not taken, or what cut it."""
        read: bytes | Refused | None = None
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(None) as self._patience:
                read = await read_body(scope, self._receive_outer, limit)
        if self.cut_by is not None:
            return self.cut_by
        if isinstance(read, Refused):
            return read
        self.body = read
        return None

    def reported_status(self) -> int:
        """Return the status for the log: 499, as nginx has it, where the client left before the end."""
        return 499 if self.gone else self.status or 500

    async def receive(self) -> asgi.Message:
        """Return the body that was read already, then what comes from the client: in the end, that it has gone."""
        if self.body is not None:
            body, self.body = self.body, None
            return {"type": "http.request", "body": body, "more_body": False}
        if self.cut_by is None:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout_at(self.deadline) as self._patience:
                    message = await self._receive_outer()
                    self.gone = message["type"] == "http.disconnect" and not self._ended
                    return message
            self._run_out()
        return _DISCONNECT

    async def send(self, message: asgi.Message) -> None:
        """Pass the application's answer on, unless it has been cut."""
        if self._ended or self.cut_by is not None:
            return
        if message["type"] == "http.response.start":
            self.status = message["status"]
            self._start = message
            return
        if message["type"] == "http.response.body":
            body = message.get("body", b"")
            if self._start is not None and not await self._begin(self._start, body):
                return
            self.chunks += 1
            self.tail = body or self.tail
            self._ended = not message.get("more_body", False)
        await self._send_outer(message)

    def cut(self, why: Refused) -> None:
        """End the request. Does nothing to one that has been answered."""
        if self.cut_by is not None or self._ended:
            return
        self.cut_by = why
        if self._patience is not None:
            with contextlib.suppress(RuntimeError):  # nobody waits in it
                self._patience.reschedule(0)
        if self._task is not None:
            asyncio.get_running_loop().call_later(CUT_SECONDS, self._give_up, self._task)

    async def run(self, application: asgi.Application, scope: asgi.Scope) -> None:
        """Let the application answer; then tell the client why it was cut, where it was."""
        try:
            await application(scope, self.receive, self.send)
        except asyncio.CancelledError:
            if self.cut_by is None or self._task is None or self._task.uncancel() > 0:
                raise
        if self.cut_by is not None and not self._ended:
            await self._tell(self.cut_by)
        self._ended = True

    def _run_out(self) -> None:
        """Note that the deadline has passed, unless it was another who woke the waiting."""
        if self.cut_by is None:
            self.cut_by = _too_late(started=self.first_byte is not None)

    async def _begin(self, start: asgi.Message, body: bytes) -> bool:
        """Send the start that was held back; or, where the first event is an error, that error as the whole answer."""
        self._start = None
        self.first_byte = self._clock()
        if start["status"] == 200 and (error := error_of_event(body)):
            await self.refuse(error)
            return False
        given = start.get("headers", ())
        self.streams = any(name == b"content-type" and value.startswith(_EVENT_STREAM) for name, value in given)
        start["headers"] = [*given, *self._headers()]
        if start["status"] in COME_AGAIN and not any(name == b"retry-after" for name, _ in given):
            start["headers"].append((b"retry-after", b"1"))
        await self._send_outer(start)
        return True

    async def refuse(self, why: Refused) -> None:
        """Answer with a refusal; what else is sent is dropped."""
        self.status, self.refused_by, self._ended = why.status, why.reason, True
        extra = {name.decode(): value.decode() for name, value in self._headers()}
        await asgi.send_json(self._send_outer, why.status, why.body, {**why.headers, **extra})

    async def _tell(self, why: Refused) -> None:
        if self.first_byte is None:
            await self.refuse(why)
            return
        self.refused_by = why.reason
        if not self.streams:
            return  # what was promised as its length cannot be kept: the connection is closed on it
        event = b"data: " + json.dumps({"error": why.body["error"]}).encode() + b"\n\ndata: [DONE]\n\n"
        await self._send_outer({"type": "http.response.body", "body": event, "more_body": False})

    def _give_up(self, task: asyncio.Task[object]) -> None:
        if not self._ended:
            task.cancel()


class Flights:
    """The requests that are being answered, from their body on: how many, for which model, and when there are none.

    `pending` and `by_model` count those that make a model compute.
    """

    def __init__(self) -> None:
        self.pending = 0
        self.by_model: Counter[str] = Counter()
        self._all: set[Flight] = set()
        self._none = asyncio.Event()
        self._none.set()

    @property
    def count(self) -> int:
        """How many are being answered."""
        return len(self._all)

    def add(self, flight: Flight) -> None:
        """Count one."""
        self._all.add(flight)
        self._none.clear()

    def remove(self, flight: Flight) -> None:
        """Count one no longer; does nothing for one that was not counted."""
        self._all.discard(flight)
        if not self._all:
            self._none.set()

    @contextlib.contextmanager
    def computing(self, model: str | None) -> Iterator[None]:
        """Enter while one makes a model compute; None for none."""
        if model is None:
            yield
            return
        self.pending += 1
        self.by_model[model] += 1
        try:
            yield
        finally:
            self.pending -= 1
            self.by_model[model] -= 1
            if not self.by_model[model]:
                del self.by_model[model]

    def cut_all(self, why: Refused) -> int:
        """End every one; return how many there were."""
        flights = tuple(self._all)
        for flight in flights:
            flight.cut(why)
        return len(flights)

    async def wait_for_none(self) -> None:
        """Return when none is being answered."""
        await self._none.wait()


def _too_late(*, started: bool) -> Refused:
    message = "The answer was not complete in the time that this request has."
    return refused(504, "request_timeout", message, reason="timeout_started" if started else "timeout", kind="timeout")
