"""The HTTPS server that an API server calls. One path, one handler."""

import asyncio
import ssl
from collections.abc import Awaitable, Callable
from typing import Final

from aiohttp import web
from prometheus_client import CollectorRegistry

from kaito.core.admission.conversion import Conversion, read_conversion, write_conversion
from kaito.core.admission.metrics import WebhookMetrics
from kaito.core.admission.review import AdmissionRequest, Handler, Verdict, read_review, write_review
from kaito.core.clock import Clock, deadline
from kaito.core.errors import KaitoError, Status
from kaito.core.logs import get_logger
from kaito.core.serving import Listener

log = get_logger()

PORT: Final = 9443
"""Where controller-runtime serves webhooks."""
OFF: Final = -1
MAX_BODY_BYTES: Final = 7 << 20
"""An object and its former self, as controller-runtime bounds them: an API server takes 3 MiB of a request at most."""
MAX_SECONDS: Final = 30.0
"""The longest that an API server waits for a webhook."""
_SHUTDOWN_SECONDS: Final = 10.0

_Answer = Callable[[bytes, float], Awaitable[bytes]]
"""Takes the body of a request and how many seconds its caller waits; raises ValueError for what is no question."""


class WebhookServer:
    """Answers at the paths that are registered, before or after its start. `port` 0 takes a free one, -1 none.

    `context` holds the certificate, and whatever else of TLS there is to choose: versions, ciphers, an authority that
    clients have to be known to. `linger` seconds it goes on when it is told to end: behind a Service it is still called
    until every node knows that this endpoint is gone.

    A handler that fails or takes too long refuses: what an API server makes of no answer is for the webhook's own
    failurePolicy to say. Without `recover`, a handler's defect ends `run` with it, and so the process.
    """

    def __init__(
        self,
        host: str,
        port: int,
        context: ssl.SSLContext,
        clock: Clock,
        registry: CollectorRegistry | None = None,
        *,
        linger: float = 0.0,
        recover: bool = True,
    ) -> None:
        self._off = port == OFF
        self._clock = clock
        self._linger = linger
        self._recover = recover
        self._metrics = WebhookMetrics(clock, registry)
        self._answers: dict[str, _Answer] = {}
        self._broken: asyncio.Event = asyncio.Event()
        self._defect: Exception | None = None
        self._began = asyncio.Event()
        application = web.Application(client_max_size=MAX_BODY_BYTES)
        application.router.add_post("/{path:.*}", self._serve)
        self._listener = Listener(
            application,
            host,
            port,
            purpose="admission webhooks",
            option="--webhook-port",
            context=context,
            shutdown_seconds=_SHUTDOWN_SECONDS,
        )

    def register(self, path: str, handler: Handler) -> None:
        """Answer AdmissionReviews at `path`. Raises KaitoError PathTaken."""

        async def answer(body: bytes, seconds: float) -> bytes:
            request, version = read_review(body)
            return write_review(request, await self._judge(handler, request, seconds), version)

        self._add(path, answer)

    def register_conversion(self, path: str, conversion: Conversion) -> None:
        """Answer ConversionReviews at `path`. Raises KaitoError PathTaken."""

        async def answer(body: bytes, _seconds: float) -> bytes:
            request = read_conversion(body)
            try:
                converted = [conversion.convert(obj, request.desired_api_version) for obj in request.objects]
            except KaitoError as error:
                return write_conversion(request.uid, [], error.advice)
            except Exception as error:
                self._metrics.conversion_panics.inc()
                log.exception("conversion failed", version=request.desired_api_version)
                self._note(error)
                return write_conversion(request.uid, [], _told(error))
            return write_conversion(request.uid, converted)

        self._add(path, answer)

    def _add(self, path: str, answer: _Answer) -> None:
        if path in self._answers:
            raise KaitoError("PathTaken", f"there already is a webhook at {path}", terminal=True)
        self._answers[path] = answer

    @property
    def port(self) -> int:
        """The port that is served; 0 before the start, or when off."""
        return self._listener.port

    @property
    def listening(self) -> bool:
        """Whether requests are taken."""
        return self._listener.listening

    def unready(self) -> str:
        """Return why no request is answered, or nothing. For /readyz."""
        return "" if self._off or self.listening else "it does not listen"

    async def wait_until_listening(self) -> None:
        """Return once it listens; at the start of `run` where it is off. For `Manager.add_server`."""
        await self._began.wait()

    async def start(self) -> None:
        """Begin to listen. Raises KaitoError AddressInUse."""
        if not self._off:
            await self._listener.start()
        self._began.set()

    async def stop(self) -> None:
        """Stop to listen; requests that are being answered get their answers first."""
        await self._listener.stop()

    async def run(self) -> None:
        """Serve until cancelled, and a little longer. Raises a handler's defect if it was made without `recover`."""
        await self.start()
        try:
            await self._broken.wait()
            if self._defect is not None:
                raise self._defect
        finally:
            try:
                await self._clock.sleep(self._linger)
            finally:
                await self.stop()

    async def _serve(self, http: web.Request) -> web.Response:
        answer = self._answers.get(http.path)
        if answer is None:
            raise web.HTTPNotFound
        with self._metrics.request(http.path) as codes:
            try:
                response = await self._answered(http, answer)
            except web.HTTPException as error:
                codes.append(error.status)
                raise
            codes.append(response.status)
            return response

    async def _answered(self, http: web.Request, answer: _Answer) -> web.Response:
        if http.content_type != "application/json":
            raise web.HTTPBadRequest(text=f"contentType={http.content_type}, expected application/json")
        seconds = seconds_of(http.query.get("timeout", ""))
        try:
            async with deadline(self._clock, seconds):
                body = await http.read()
        except TimeoutError as error:
            raise web.HTTPRequestTimeout(text=f"the body did not come within {seconds:g} s") from error
        try:
            return web.Response(body=await answer(body, seconds), content_type="application/json")
        except ValueError as error:
            raise web.HTTPBadRequest(text=str(error)) from error

    async def _judge(self, handler: Handler, request: AdmissionRequest, seconds: float) -> Verdict:
        """Return the verdict; a defect must not take the server down, nor let anything pass."""
        limit: asyncio.Timeout | None = None
        try:
            async with deadline(self._clock, seconds) as limit:
                return await handler(request)
        except KaitoError as error:
            return Verdict.refused(error)
        except Exception as error:
            if isinstance(error, TimeoutError) and limit is not None and limit.expired():
                return Verdict(False, message=f"the webhook had no answer after {seconds:g} s; try again")
            self._metrics.panics.inc()
            log.exception("admission handler failed", kind=request.kind.kind, name=request.name)
            self._note(error)
            return Verdict(False, status=Status(500, "InternalError", _told(error)))

    def _note(self, error: Exception) -> None:
        if not self._recover:
            self._defect = error
            self._broken.set()


def _told(defect: Exception) -> str:
    """Return what a caller may know of a defect: its words may hold secrets."""
    return f"the webhook failed ({type(defect).__name__}); its log says more"


def seconds_of(timeout: str) -> float:
    """Return the seconds that a request's `timeout` leaves: whole seconds are all that an API server ever sends."""
    number = timeout.removesuffix("s")
    return min(float(number), MAX_SECONDS) if number.isdigit() and int(number) > 0 else MAX_SECONDS
