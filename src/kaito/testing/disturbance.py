"""What goes wrong on the way to a server, as data: which request or event of a watch meets which trouble."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from kaito.apiserver.request import parse_path
from kaito.core.objects import Key


class Trouble(StrEnum):
    """What a request, or a watch at one of its events, meets."""

    DROP = "the connection is cut before the request takes effect"
    LOST_ANSWER = "the connection is cut after the request took effect"
    DELAY = "it comes late"
    REORDER = "it waits until what another client or stream asked for later has been answered"
    EXPIRED = "410: the version is too old"
    HANG = "nothing comes any more"
    GARBAGE = "what comes is no JSON"
    HALF_FRAME = "half of it comes, then the connection is cut"
    SLOW_BODY = "it comes in small pieces"
    TOO_MANY = "429 with Retry-After"
    TOO_MANY_SILENT = "429 without Retry-After"
    BROKEN = "500"
    RESTART = "the server starts again: connections are cut, the history of watches is lost"


VERBS: Final = ("get", "list", "watch", "create", "update", "patch", "delete", "deletecollection", "discover")
WRITES: Final = ("create", "update", "patch", "delete", "deletecollection")


@dataclass(frozen=True)
class Disturbance:
    """A trouble of the `at`-th request (from 1) that `of` names, and of the `times - 1` that follow it.

    `of` is a verb, or `write` for all that write, and may name a resource: "patch configmaps", "watch", "" for any.
    With `event` it is the so-manieth event of such a watch (from 1) instead of its request. `seconds` says how long a
    delay, a slow body, the longest wait of a reordered request, or the pause that Retry-After asks for is.
    """

    trouble: Trouble
    of: str = ""
    at: int = 1
    times: int = 1
    event: int = 0
    seconds: float = 2.0

    def __post_init__(self) -> None:
        verb = self.of.partition(" ")[0]
        if verb not in ("", "write", *VERBS):
            raise ValueError(f"a disturbance of {self.of!r}: {verb!r} is no verb; known: write, {', '.join(VERBS)}")
        if self.event and verb != "watch":
            raise ValueError(f"a disturbance of {self.of!r}: only a watch has events")

    def concerns(self, asked: "Asked") -> bool:
        """Say whether `of` names a request."""
        verb, _, resource = self.of.partition(" ")
        same_verb = verb in ("", asked.verb) or (verb == "write" and asked.writes)
        return same_verb and resource in ("", asked.resource)

    def __str__(self) -> str:
        which = f"event {self.event} of watch {self.at}" if self.event else f"request {self.at}"
        return f"{self.trouble.name} at {which} ({self.of or 'any'})"


@dataclass(frozen=True)
class Asked:
    """One request as a server got it: `resource` is a plural with its subresource, `at` in seconds of the loop.

    `by` is the client's User-Agent, which for a manager is its name.
    """

    verb: str
    resource: str
    key: Key
    at: float
    by: str = ""

    @property
    def writes(self) -> bool:
        """Whether it changes something, if it succeeds."""
        return self.verb in WRITES

    @staticmethod
    def of(method: str, path: str, query: Mapping[str, str], at: float, by: str = "") -> "Asked":
        """Return what an HTTP request asks for."""
        target = parse_path(path)
        if target is None:
            return Asked("discover", path, Key("", ""), at, by)
        resource = f"{target.plural}/{target.subresource}" if target.subresource else target.plural
        if method == "GET":
            watch = query.get("watch", "") not in ("", "0", "false")
            verb = "watch" if watch else "get" if target.name else "list"
        elif method == "DELETE":
            verb = "delete" if target.name else "deletecollection"
        else:
            verb = {"POST": "create", "PUT": "update", "PATCH": "patch"}.get(method, method.lower())
        return Asked(verb, resource, target.key, at, by)

    def __str__(self) -> str:
        return f"{self.verb} {self.resource} {self.key}".rstrip()


class Plan:
    """What a server was asked so far, what of it is to be disturbed, and how often that has happened."""

    def __init__(self) -> None:
        self.asked: list[Asked] = []
        self.struck = 0
        self._planned: dict[int, Disturbance] = {}
        self._seen: dict[int, int] = {}

    def begin(self, *disturbances: Disturbance) -> None:
        """Disturb these and no others; requests are counted from here on."""
        self._planned = dict(enumerate(disturbances))
        self._seen = dict.fromkeys(self._planned, 0)
        self.struck = 0

    def next(self, asked: Asked) -> list[Disturbance]:
        """Note a request; return what is to befall it, or its events."""
        self.asked.append(asked)
        due = []
        for number, disturbance in self._planned.items():
            if disturbance.concerns(asked):
                self._seen[number] += 1
                if 0 <= self._seen[number] - disturbance.at < disturbance.times:
                    due.append(disturbance)
        return due
