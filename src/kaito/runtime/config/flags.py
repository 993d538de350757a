"""vLLM's command line as data: flags can be looked up, replaced and dropped before vLLM is imported."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

_OPTIMIZATION = re.compile(r"^-O=?(?=.)")
_FLAG = re.compile(r"--?[A-Za-z]")
_SHORT = {
    "-O": "optimization-level",
    "-ac": "attention-config",
    "-asc": "api-server-count",
    "-cc": "compilation-config",
    "-dc": "diffusion-config",
    "-dcp": "decode-context-parallel-size",
    "-dp": "data-parallel-size",
    "-dpa": "data-parallel-address",
    "-dpb": "data-parallel-backend",
    "-dpe": "data-parallel-external-lb",
    "-dph": "data-parallel-hybrid-lb",
    "-dpl": "data-parallel-size-local",
    "-dpm": "data-parallel-multi-port-external-lb",
    "-dpn": "data-parallel-rank",
    "-dpp": "data-parallel-rpc-port",
    "-dpr": "data-parallel-start-rank",
    "-ep": "enable-expert-parallel",
    "-n": "nnodes",
    "-pcp": "prefill-context-parallel-size",
    "-pp": "pipeline-parallel-size",
    "-q": "quantization",
    "-r": "node-rank",
    "-sc": "speculative-config",
    "-tp": "tensor-parallel-size",
}
"""vLLM's short names; a test compares them with its parser's, which is too slow to ask here."""

_SECRET = re.compile(r"api-key|(^|-)token$|password|secret")


@dataclass(frozen=True)
class Flag:
    """One flag: its name without dashes, as `spelled`, and its values; none for `--name` alone."""

    name: str
    values: tuple[str, ...] = ()

    def argv(self) -> tuple[str, ...]:
        """Return the flag as a shell would pass it."""
        if len(self.values) == 1:
            return (f"--{self.name}={self.values[0]}",)
        if not self.values and "." in self.name:
            return (f"--{self.name}=true",)  # bare, vLLM would take the next word for its value, whatever it is
        return (f"--{self.name}", *self.values)

    def shown(self) -> tuple[str, ...]:
        """Return the flag for logs and `--print-effective-config`: what could be a secret is hidden."""
        return Flag(self.name, ("***",)).argv() if self.values and _SECRET.search(self.name) else self.argv()


class Flags(tuple[Flag, ...]):
    """An immutable sequence of flags, in the order of the command line."""

    __slots__ = ()

    @classmethod
    def parse(cls, argv: Sequence[str]) -> "Flags":
        """Read a command line. A word that starts with no dash belongs to the flag before it.

        Raises ValueError for a word that belongs to none.
        """
        found: list[Flag] = []
        for word in argv:
            if _FLAG.match(word):
                word = _OPTIMIZATION.sub("--optimization-level=", word)
                name, given, value = word.partition("=")
                found.append(Flag(_long_name(name), (value,) if given else ()))
            elif found:
                found[-1] = Flag(found[-1].name, (*found[-1].values, word))
            else:
                raise ValueError(word)
        return cls(found)

    def get(self, *names: str) -> Flag | None:
        """Return the last flag with one of these names: the one that argparse lets win."""
        return next((flag for flag in reversed(self) if flag.name in names), None)

    def value(self, *names: str) -> str | None:
        """Return the first value of the last flag with one of these names."""
        flag = self.get(*names)
        return flag.values[0] if flag and flag.values else None

    def without(self, *names: str) -> "Flags":
        """Return the flags that have none of these names."""
        return Flags(flag for flag in self if flag.name not in names)

    def replace(self, *flags: Flag) -> "Flags":
        """Return the flags with these in place of any of the same name (or of its opposite, `no-…`)."""
        names = {name for flag in flags for name in (flag.name, f"no-{flag.name}", flag.name.removeprefix("no-"))}
        return Flags((*self.without(*names), *flags))

    def default(self, *flags: Flag) -> "Flags":
        """Return the flags with these added where neither they nor their opposites are given."""
        return Flags((*self, *(flag for flag in flags if self.get(flag.name, f"no-{flag.name}") is None)))

    def argv(self) -> list[str]:
        """Return the command line."""
        return _chain(flag.argv() for flag in self)

    def shown(self) -> list[str]:
        """Return the command line without secrets."""
        return _chain(flag.shown() for flag in self)


def spelled(name: str) -> str:
    """Return a flag's name as vLLM declares it: `-` between words, but what is after a dot names a field, as it is."""
    head, dot, field = name.partition(".")
    return head.replace("_", "-") + dot + field


def _long_name(word: str) -> str:
    head, dot, field = word.partition(".")
    return _SHORT[head] + dot + field if head in _SHORT else spelled(word.lstrip("-"))


def _chain(parts: Iterable[tuple[str, ...]]) -> list[str]:
    return [word for part in parts for word in part]
