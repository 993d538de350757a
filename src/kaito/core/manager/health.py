"""/metrics, /healthz and /readyz of a process."""

from collections.abc import Awaitable, Callable, Mapping

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest

from kaito.core.errors import KaitoError

Check = Callable[[], str]
"""Returns nothing if all is well, else what is not; the answer to a probe names the check only."""


def verdict(checks: Mapping[str, Check], *, verbose: bool, exclude: frozenset[str]) -> tuple[int, str]:
    """Return status code and text in the API server's format. A failure is always told in full, but for its reason."""
    lines, failed = [], False
    for name, check in sorted(checks.items()):
        if name in exclude:
            lines.append(f"[+]{name} excluded: ok")
        elif check():
            failed = True
            lines.append(f"[-]{name} failed: reason withheld")
        else:
            lines.append(f"[+]{name} ok")
    if failed:
        return 500, "\n".join([*lines, "check failed", ""])
    return 200, "\n".join([*lines, "check passed", ""]) if verbose else "ok"


class HealthServer:
    """Serves until stopped. `address` is `host:port`, port 0 picks a free one, `0` alone turns it off."""

    def __init__(
        self,
        address: str,
        registry: CollectorRegistry,
        healthy: Mapping[str, Check],
        ready: Mapping[str, Check],
    ) -> None:
        self._address = address
        self._registry = registry
        self._runner: web.AppRunner | None = None
        self._application = web.Application()
        self._application.router.add_get("/metrics", self._metrics)
        for path, checks in (("/healthz", healthy), ("/readyz", ready)):
            self._application.router.add_get(path, _probe(checks))
            self._application.router.add_get(path + "/{check}", _probe(checks))
        self.port = 0

    async def start(self) -> None:
        """Begin to serve. Raises KaitoError AddressInUse."""
        if self._address == "0":
            return
        host, _, port = self._address.rpartition(":")
        runner = web.AppRunner(self._application, access_log=None, handle_signals=False)
        await runner.setup()
        try:
            await web.TCPSite(runner, host.strip("[]") or None, int(port)).start()
        except OSError as error:
            await runner.cleanup()
            raise KaitoError(
                "AddressInUse",
                f"cannot serve metrics on {self._address}: {error.strerror}",
                terminal=True,
                remedy="Choose another one with --metrics-address, or 0 for none.",
            ) from error
        self._runner = runner
        self.port = int(runner.addresses[0][1])

    async def stop(self) -> None:
        """Stop to serve."""
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    async def _metrics(self, _request: web.Request) -> web.Response:
        return web.Response(body=generate_latest(self._registry), headers={"Content-Type": CONTENT_TYPE_LATEST})


def _probe(checks: Mapping[str, Check]) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    async def probe(request: web.Request) -> web.StreamResponse:
        chosen = checks
        if (name := request.match_info.get("check")) is not None:
            if name not in checks:
                raise web.HTTPNotFound
            chosen = {name: checks[name]}
        status, text = verdict(
            chosen, verbose="verbose" in request.query, exclude=frozenset(request.query.getall("exclude", ()))
        )
        return web.Response(status=status, text=text)

    return probe
