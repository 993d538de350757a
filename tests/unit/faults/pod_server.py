"""The admin port of a pod, as `kaito.contracts` has it: it takes a set, and its adapters are served at once."""

import asyncio
from contextlib import asynccontextmanager

from aiohttp import web

from kaito.contracts import adapter_set_digest


class PodServer:
    """Answers status and sets. `adapters` has what is said of an adapter beside its name; absent: it is Ready.

    `faults` are answered to the next PUTs instead: a status code with a body, or None for a connection that breaks.
    """

    def __init__(self, token="s3cret"):
        self.token = token
        self.stage = "ready"
        self.sequence = 1
        self.set = {"contractVersion": 1, "generation": 0, "adapters": []}
        self.reported = True
        self.adapters = {}
        self.faults = []
        self.puts = []
        self.tokens = []
        self.put = asyncio.Event()
        self._changed = asyncio.Event()

    def status(self):
        states = {"state": "Ready", "reason": "", "message": "", "digest": "sha256:1", "rank": 8, "seconds": 0.1}
        return {
            "contractVersion": 1,
            "sequence": self.sequence,
            "stage": self.stage,
            "message": "",
            "model": "phi-3-mini-4k-instruct",
            "weights": {"kind": "stand-in", "source": "x", "loadedBytes": 0, "totalBytes": 0},
            "adapters": [
                {"name": one["name"], **states, **self.adapters.get(one["name"], {})} for one in self.set["adapters"]
            ],
            "adapterSet": {"generation": self.set["generation"], "digest": adapter_set_digest(self.set)},
            "stageSeconds": {},
            "failure": None,
        }

    def change(self):
        """Tell who waits that there is more to hear."""
        self.sequence += 1
        self._changed.set()
        self._changed = asyncio.Event()

    def restart(self, adapter_set=None):
        """Begin anew, from what a mounted file says."""
        self.set = adapter_set or {"contractVersion": 1, "generation": 0, "adapters": []}
        self.change()

    async def _status(self, request):
        if not self._let_in(request):
            return web.json_response({"detail": "no"}, status=401)
        after = int(request.query.get("after", "0"))
        while self.sequence <= after:
            await self._changed.wait()
        return web.json_response(self.status())

    async def _put(self, request):
        self.put.set()
        if not self._let_in(request):
            return web.json_response({"detail": "no"}, status=401)
        wanted = await request.json()
        self.puts.append(wanted)
        if self.faults:
            fault = self.faults.pop(0)
            if fault is None:
                request.transport.close()
                return web.Response()
            code, body = fault
            return web.json_response(body, status=code)
        if wanted["generation"] < self.set["generation"]:
            return web.json_response({"detail": "older"}, status=409)
        self.set = wanted
        if self.reported:
            self.change()
        return web.json_response({"generation": wanted["generation"], "digest": adapter_set_digest(wanted)})

    def _let_in(self, request):
        self.tokens.append(request.headers.get("Authorization"))
        return self.tokens[-1] == f"Bearer {self.token}"

    @asynccontextmanager
    async def listening(self, address="127.0.0.1", port=0):
        """Listen, and give the port."""
        app = web.Application()
        app.router.add_get("/v1/status", self._status)
        app.router.add_put("/v1/adapters", self._put)
        runner = web.AppRunner(app, shutdown_timeout=0.1)
        await runner.setup()
        await web.TCPSite(runner, address, port).start()
        try:
            yield runner.addresses[0][1]
        finally:
            await runner.cleanup()
