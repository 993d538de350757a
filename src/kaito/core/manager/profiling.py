"""What a process does, where its tasks wait and who holds its memory, as text. Only loaded where it is wanted."""

import asyncio
import cProfile
import io
import pstats
import tracemalloc
from typing import Final

from aiohttp import web

from kaito.core.clock import Clock

SECONDS: Final = 10.0
MAX_SECONDS: Final = 60.0
_LINES: Final = 60


class Profiler:
    """The handlers of /debug: a profile of the event loop, the stacks of tasks, the allocations."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._profiling = False

    def add_to(self, application: web.Application) -> None:
        """Add the paths."""
        application.router.add_get("/debug/profile", self.profile)
        application.router.add_get("/debug/tasks", self.tasks)
        application.router.add_get("/debug/memory", self.memory)

    async def profile(self, request: web.Request) -> web.Response:
        """Profile the loop's thread for `?seconds=`; functions by their own time. One at a time, others get a 409."""
        try:
            seconds = float(request.query.get("seconds", SECONDS))
        except ValueError:
            seconds = 0.0
        if not 0 < seconds <= MAX_SECONDS:
            raise web.HTTPBadRequest(text=f"seconds has to be a number up to {MAX_SECONDS:g}")
        if self._profiling:
            raise web.HTTPConflict(text="a profile is being taken")
        profile = cProfile.Profile()
        self._profiling = True
        try:
            profile.enable()
            await self._clock.sleep(seconds)
        finally:
            profile.disable()
            self._profiling = False
        text = io.StringIO()
        pstats.Stats(profile, stream=text).sort_stats("tottime").print_stats(_LINES)
        return web.Response(text=text.getvalue())

    async def tasks(self, _request: web.Request) -> web.Response:
        """Return where each task waits."""
        text = io.StringIO()
        tasks = sorted(asyncio.all_tasks(), key=lambda task: task.get_name())
        text.write(f"{len(tasks)} tasks\n")
        for task in tasks:
            text.write(f"\n{task.get_name()}\n")
            task.print_stack(file=text)
        return web.Response(text=text.getvalue())

    async def memory(self, request: web.Request) -> web.Response:
        """Return the lines that hold most memory since tracing began: it begins with the first request.

        Tracing costs time and memory until `?stop` is asked for.
        """
        if "stop" in request.query:
            tracemalloc.stop()
            return web.Response(text="tracing has ended\n")
        if not tracemalloc.is_tracing():
            tracemalloc.start()
            return web.Response(text="tracing begins: ask again later, and with ?stop in the end\n")
        statistics = tracemalloc.take_snapshot().statistics("lineno")[:_LINES]
        total, peak = tracemalloc.get_traced_memory()
        lines = [f"{total / 1024:.0f} KiB since tracing began, {peak / 1024:.0f} KiB at most", *map(str, statistics)]
        return web.Response(text="\n".join(lines) + "\n")
