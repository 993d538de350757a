"""`/v1/adapters` on the admin port: which adapters are wanted, and changes of it. Who may ask is decided before."""

from collections.abc import Awaitable, Callable
from typing import Any, Protocol

from aiohttp import web

from kaito.contracts import ADAPTER_SET_ROUTE, CONTRACT_VERSION, AdapterSet, AdapterStatus, WantedAdapter
from kaito.runtime.adapters.adapter_set import InvalidSetError, parse_one, parse_set
from kaito.runtime.adapters.follower import OlderGenerationError

LONGEST_SET = 2**20
"""Bytes of a body; as much as a ConfigMap can hold."""

Handler = Callable[[web.Request], Awaitable[web.Response]]


class Desk(Protocol):
    """Takes orders for adapters."""

    @property
    def adapter_set(self) -> AdapterSet | None:
        """The set in force."""

    @property
    def single(self) -> tuple[WantedAdapter, ...]:
        """What was put one by one beside it."""

    @property
    def statuses(self) -> tuple[AdapterStatus, ...]:
        """Every adapter's state."""

    async def put_set(self, adapter_set: AdapterSet) -> None:
        """Want this set. Raises OlderGenerationError, and OSError when it cannot be kept."""

    async def put_single(self, adapter: WantedAdapter) -> None:
        """Want one beside it. Raises OSError when it cannot be kept."""

    async def delete_single(self, name: str) -> bool:
        """Want it no more; say whether there was one. Raises OSError when it cannot be kept."""


class AdapterRoutes:
    """Answers `GET` and `PUT` of the set, and `GET`, `PUT` and `DELETE` of one adapter beside it."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def add_to(self, application: web.Application, guarded: Callable[[Handler], Handler]) -> None:
        """Add the routes; `guarded` lets in only who may."""
        router, one = application.router, f"{ADAPTER_SET_ROUTE}/{{name}}"
        router.add_get(ADAPTER_SET_ROUTE, guarded(self._get))
        router.add_put(ADAPTER_SET_ROUTE, guarded(_explained(self._put)))
        router.add_get(one, guarded(self._get_one))
        router.add_put(one, guarded(_explained(self._put_one)))
        router.add_delete(one, guarded(_explained(self._delete_one)))

    async def _get(self, _: web.Request) -> web.Response:
        held = self._desk.adapter_set or AdapterSet(contractVersion=CONTRACT_VERSION, generation=0, adapters=[])
        states = list(self._desk.statuses)
        return web.json_response({**held, "single": list(self._desk.single), "states": states})

    async def _put(self, request: web.Request) -> web.Response:
        await self._desk.put_set(parse_set(await _body(request)))
        return await self._get(request)

    async def _get_one(self, request: web.Request) -> web.Response:
        name = request.match_info["name"]
        found = next((status for status in self._desk.statuses if status["name"] == name), None)
        return web.json_response(found) if found else _detail(404, f"No adapter is named {name!r}.")

    async def _put_one(self, request: web.Request) -> web.Response:
        adapter = parse_one(await _body(request), request.match_info["name"])
        await self._desk.put_single(adapter)
        return web.json_response(dict(adapter), status=202)

    async def _delete_one(self, request: web.Request) -> web.Response:
        name = request.match_info["name"]
        if await self._desk.delete_single(name):
            return web.Response(status=204)
        if any(status["name"] == name for status in self._desk.statuses):
            detail = f"{name!r} was not put here: take it out of the set, or its folder out of the adapter directory."
            return _detail(409, detail)
        return _detail(404, f"No adapter is named {name!r}.")


def _explained(handler: Handler) -> Handler:
    """Turn what an order is refused for into an answer that says so."""

    async def handle(request: web.Request) -> web.Response:
        try:
            return await handler(request)
        except InvalidSetError as error:
            at_fault = {"adapter": error.adapter, "reason": error.reason} if error.adapter else {}
            return _detail(400, str(error), field=error.field, **at_fault)
        except OlderGenerationError as error:
            return _detail(409, str(error))
        except web.HTTPRequestEntityTooLarge:
            return _detail(413, f"The body is longer than {LONGEST_SET} bytes.")
        except OSError as error:
            return _detail(507, f"It cannot be kept for the next start, so it was not taken: {error}.")

    return handle


async def _body(request: web.Request) -> bytes:
    """Read the body; aiohttp refuses one that is longer than the application's limit."""
    return await request.read()


def _detail(status: int, detail: str, **more: Any) -> web.Response:
    return web.json_response({"detail": detail, **more}, status=status)
