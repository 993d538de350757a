"""Controllers that installed packages declare as entry points: which there are, whose, and which of them to run."""

from collections.abc import Callable, Collection, Iterable, Mapping
from importlib.metadata import EntryPoint, entry_points
from typing import Any, Final, TypeVar

from kaito.core.controller import Controller
from kaito.core.errors import KaitoError
from kaito.core.logs import get_logger
from kaito.core.manager.manager import Manager

log = get_logger()

O = TypeVar("O")  # noqa: E741 - what a factory gets as options

ALL: Final = "*"

ControllerFactory = Callable[[Manager, O], Controller]
"""What an entry point names: makes a controller for a manager that was not started yet, with a process's options."""


def installed_controllers(
    group: str, built_in: str, chosen: str = ALL, elsewhere: Collection[str] = ()
) -> dict[str, EntryPoint]:
    """Return the chosen controllers of an entry-point group by name, unloaded.

    A name that both the distribution `built_in` and another one declare is the other's: installing a package replaces a
    controller. `chosen` is a list with commas, as of kube-controller-manager's `--controllers`: `*` is all of them,
    `name` that one, `-name` not that one (alone: all others). Names in `elsewhere` run in another process. Raises
    KaitoError ReconcilerMissing for a name that nobody declares, ReconcilerAmbiguous for one that two packages beside
    `built_in` do.
    """
    declared: dict[str, list[EntryPoint]] = {}
    for entry in entry_points(group=group):
        if entry.name not in elsewhere:
            declared.setdefault(entry.name, []).append(entry)
    names = _chosen(group, chosen, declared)
    return {name: _winner(group, built_in, declared[name]) for name in names}


def add_installed(manager: Manager, options: Any, entries: Mapping[str, EntryPoint]) -> None:
    """Make the controllers that `installed_controllers` returned, and add them to a manager.

    Raises KaitoError ReconcilerBroken for an entry point that cannot be loaded or gives no Controller.
    """
    for name, entry in entries.items():
        manager.add(_made(entry, manager, options))
        log.info("controller", name=name, distribution=_distribution(entry), entry_point=entry.value)


def _chosen(group: str, chosen: str, declared: Iterable[str]) -> list[str]:
    known = sorted(declared)
    words = [word.strip() for word in chosen.split(",") if word.strip()]
    for word in words:
        if (name := word.removeprefix("-")) not in (ALL, *known):
            raise KaitoError(
                "ReconcilerMissing",
                f"no installed package has an entry point {name!r} in the group {group!r}.",
                terminal=True,
                remedy=f"Installed are: {', '.join(known) or 'none'}. kaito must be installed, not only on the path.",
            )
    everything = ALL in words or all(word.startswith("-") for word in words)
    return [name for name in known if f"-{name}" not in words and (everything or name in words)]


def _winner(group: str, built_in: str, entries: list[EntryPoint]) -> EntryPoint:
    others = [entry for entry in entries if _distribution(entry).partition(" ")[0] != built_in]
    if len(others) > 1:
        whose = " and ".join(sorted(_distribution(entry) for entry in others))
        raise KaitoError(
            "ReconcilerAmbiguous",
            f"{whose} both have an entry point {others[0].name!r} in the group {group!r}.",
            terminal=True,
            remedy="Uninstall one of them.",
        )
    return (others or entries)[0]


def _distribution(entry: EntryPoint) -> str:
    return f"{entry.dist.name} {entry.dist.version}" if entry.dist is not None else "unknown"


def _made(entry: EntryPoint, manager: Manager, options: Any) -> Controller:
    where = f"the entry point {entry.name} = {entry.value} of {_distribution(entry)}"
    try:
        controller = entry.load()(manager, options)
    except KaitoError:
        raise
    except Exception as error:
        raise _broken(f"{where} cannot be used: {type(error).__name__}: {error}.") from error
    if not isinstance(controller, Controller):
        raise _broken(f"{where} gives a {type(controller).__name__}, not a Controller.")
    return controller


def _broken(message: str) -> KaitoError:
    return KaitoError("ReconcilerBroken", message, terminal=True, remedy="Install a version that fits, or none.")
