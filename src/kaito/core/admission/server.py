"""The HTTPS server that an API server calls. One path, one handler."""

import asyncio
import ssl
from collections.abc import Mapping
from typing import Final

from aiohttp import web
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from kaito.core.admission.review import AdmissionRequest, Handler, Verdict, read_review, write_review
from kaito.core.clock import Clock, deadline
from kaito.core.errors import KaitoError
from kaito.core.logs import get_logger

log = get_logger()

MAX_BODY_BYTES: Final = 7 << 20
"""An object and its former self, as controller-runtime bounds them: an API server takes 3 MiB of a request at most."""
MAX_SECONDS: Final = 30.0
"""The longest that an API server waits for a webhook."""
_SHUTDOWN_SECONDS: Final = 10.0


class WebhookServer:
    """Answers AdmissionReviews at the paths of `handlers` while it runs. `port` 0 takes a free one.

    `linger` seconds it goes on when it is told to end: behind a Service it is still called until every node knows that
    this endpoint is gone. Metrics have controller-runtime's names. A handler that fails or takes too long refuses: what
    an API server makes of no answer is for the webhook's own failurePolicy to say.
    """

    def __init__(
        self,
        host: str,
        port: int,
        context: ssl.SSLContext,
        handlers: Mapping[str, Handler],
        clock: Clock,
        registry: CollectorRegistry | None = None,
        *,
        linger: float = 0.0,
    ) -> None:
        self._host = host
        self._asked_port = port
        self._context = context
        self._clock = clock
        self._linger = linger
        self._application = web.Application(client_max_size=MAX_BODY_BYTES)
        for path, handler in handlers.items():
            self._application.router.add_post(path, self._route(path, handler))
        self._runner: web.AppRunner | None = None
        self._requests = Counter(
            "controller_runtime_webhook_requests",
            "Admission requests by HTTP status code.",
            ("webhook", "code"),
            registry=registry,
        )
        self._latency = Histogram(
            "controller_runtime_webhook_latency_seconds",
            "Seconds from an admission request to its answer.",
            ("webhook",),
            registry=registry,
        )
        self._in_flight = Gauge(
            "controller_runtime_webhook_requests_in_flight",
            "Admission requests that are being answered.",
            ("webhook",),
            registry=registry,
        )
        self.port = 0

    @property
    def listening(self) -> bool:
        """Whether requests are taken."""
        return self._runner is not None

    async def start(self) -> None:
        """Begin to listen. Raises KaitoError AddressInUse."""
        runner = web.AppRunner(
            self._application, access_log=None, handle_signals=False, shutdown_timeout=_SHUTDOWN_SECONDS
        )
        await runner.setup()
        try:
            await web.TCPSite(runner, self._host or None, self._asked_port, ssl_context=self._context).start()
        except OSError as error:
            await runner.cleanup()
            raise KaitoError(
                "AddressInUse",
                f"cannot serve admission webhooks on port {self._asked_port}: {error.strerror}",
                terminal=True,
                remedy="Choose another one with --webhook-port.",
            ) from error
        self._runner = runner
        self.port = int(runner.addresses[0][1])

    async def stop(self) -> None:
        """Stop to listen; requests that are being answered get their answers first."""
        if self._runner is not None:
            runner, self._runner = self._runner, None
            await runner.cleanup()

    async def run(self) -> None:
        """Serve until cancelled, and a little longer."""
        await self.start()
        try:
            await asyncio.Event().wait()
        finally:
            try:
                await self._clock.sleep(self._linger)
            finally:
                await self.stop()

    def _route(self, path: str, handler: Handler):  # type: ignore[no-untyped-def]
        async def answer(http: web.Request) -> web.Response:
            started = self._clock.monotonic()
            code = 500
            with self._in_flight.labels(path).track_inprogress():
                try:
                    response = await self._answer(http, handler)
                    code = response.status
                except web.HTTPException as error:
                    code = error.status
                    raise
                finally:
                    self._requests.labels(path, str(code)).inc()
                    self._latency.labels(path).observe(self._clock.monotonic() - started)
            return response

        return answer

    async def _answer(self, http: web.Request, handler: Handler) -> web.Response:
        if http.content_type != "application/json":
            raise web.HTTPUnsupportedMediaType(text=f"contentType={http.content_type}, expected application/json")
        try:
            request = read_review(await http.read())
        except ValueError as error:
            raise web.HTTPBadRequest(text=str(error)) from error
        verdict = await self._judge(handler, request, seconds_of(http.query.get("timeout", "")))
        body = write_review(request.uid, verdict, name=request.name, kind=request.kind.kind, group=request.kind.group)
        return web.Response(body=body, content_type="application/json")

    async def _judge(self, handler: Handler, request: AdmissionRequest, seconds: float) -> Verdict:
        try:
            async with deadline(self._clock, seconds):
                return await handler(request)
        except TimeoutError:
            return Verdict(False, message=f"the webhook had no answer after {seconds:g} s; try again")
        except Exception as error:  # a defect must not take the server down, nor let anything pass
            log.exception("admission handler failed", kind=request.kind.kind, name=request.name)
            return Verdict(False, message=f"the webhook failed ({type(error).__name__}); its log says more")


def seconds_of(timeout: str) -> float:
    """Return the seconds that a request's `timeout` leaves: whole seconds are all that an API server ever sends."""
    number = timeout.removesuffix("s")
    return min(float(number), MAX_SECONDS) if number.isdigit() and int(number) > 0 else MAX_SECONDS
