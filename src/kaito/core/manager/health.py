"""Answers of probes: checks, and what is said about them."""

from collections.abc import Awaitable, Callable, Mapping

from aiohttp import web

from kaito.core.logs import get_logger

log = get_logger()

Check = Callable[[], str]
"""Returns nothing if all is well, else what is not; the answer to a probe names the check only."""


def verdict(checks: Mapping[str, Check], *, verbose: bool, exclude: frozenset[str]) -> tuple[int, str]:
    """Return status code and text in the API server's format. A failure is always told in full, but for its reason.

    Without any check there is one named `ping`, which is well.
    """
    lines, failed = [], False
    for name, check in sorted((checks or {"ping": str}).items()):
        if name in exclude:
            lines.append(f"[+]{name} excluded: ok")
        elif _fails(name, check):
            failed = True
            lines.append(f"[-]{name} failed: reason withheld")
        else:
            lines.append(f"[+]{name} ok")
    if failed:
        return 500, "\n".join([*lines, "check failed", ""])
    return 200, "\n".join([*lines, "check passed", ""]) if verbose else "ok"


def probe(checks: Mapping[str, Check]) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    """Return the handler of all `checks`, and of one where the path names it as `{check}`."""

    async def handle(request: web.Request) -> web.StreamResponse:
        chosen = checks or {"ping": str}
        if name := request.match_info.get("check"):
            if name not in chosen:
                raise web.HTTPNotFound
            chosen = {name: chosen[name]}
        status, text = verdict(
            chosen, verbose="verbose" in request.query, exclude=frozenset(request.query.getall("exclude", ()))
        )
        return web.Response(status=status, text=text)

    return handle


def _fails(name: str, check: Check) -> bool:
    try:
        return bool(check())
    except Exception:
        log.exception("a health check failed by itself", check=name)
        return True
