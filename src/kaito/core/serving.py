"""What the HTTP servers of a process share: one address, begun and ended, with an end to clients that say nothing.

Not exported by `kaito.core`: only servers pay for importing aiohttp.web.
"""

import ssl
from typing import Final

from aiohttp import web

from kaito.core.errors import KaitoError

IDLE_SECONDS: Final = 90.0
"""How long a connection may be idle, or take until its first request is whole; controller-runtime's idle time."""


class Listener:
    """Serves `application` at `host`:`port` from `start` to `stop`. An empty host is every address, port 0 a free port.

    `purpose` and `option` say in an error what could not be served, and with which option that is changed. Requests
    that are being answered when it stops have `shutdown_seconds` to end.
    """

    def __init__(
        self,
        application: web.Application,
        host: str,
        port: int,
        *,
        purpose: str,
        option: str,
        context: ssl.SSLContext | None = None,
        shutdown_seconds: float = 5.0,
    ) -> None:
        self._application = application
        self._host = host
        self._asked_port = port
        self._purpose = purpose
        self._option = option
        self._context = context
        self._shutdown_seconds = shutdown_seconds
        self._runner: web.AppRunner | None = None
        self.port = 0

    @property
    def listening(self) -> bool:
        """Whether requests are taken."""
        return self._runner is not None

    async def start(self) -> None:
        """Begin to serve. Raises KaitoError AddressInUse."""
        runner = web.AppRunner(
            self._application,
            access_log=None,
            handle_signals=False,
            keepalive_timeout=IDLE_SECONDS,
            handler_cancellation=True,  # else the handler of a client that has gone outlives the server
            shutdown_timeout=self._shutdown_seconds,
        )
        await runner.setup()
        try:
            await web.TCPSite(runner, self._host or None, self._asked_port, ssl_context=self._context).start()
        except OSError as error:
            await runner.cleanup()
            where = f"{self._host}:{self._asked_port}" if self._host else f"port {self._asked_port}"
            raise KaitoError(
                "AddressInUse",
                f"cannot serve {self._purpose} on {where}: {error.strerror}",
                terminal=True,
                remedy=f"Choose another one with {self._option}.",
            ) from error
        self._runner = runner
        self.port = int(runner.addresses[0][1])

    async def stop(self) -> None:
        """Stop to serve; does nothing where it does not."""
        runner, self._runner = self._runner, None
        if runner is not None:
            await runner.cleanup()
