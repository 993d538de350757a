"""The moment between an adapter's old folder and its new one."""

from kaito.runtime.adapters.lingering import LINGER_SECONDS, Lingering
from kaito.runtime.adapters.wanted import Origin, Wanted


def wanted(name: str, mark: str = "1", origin: Origin = "directory") -> dict[str, Wanted]:
    return {name: Wanted(name, origin, {"path": f"/adapters/{name}"}, mark)}


def test_a_folder_that_is_replaced_is_wanted_all_the_time() -> None:
    lingering = Lingering()
    lingering.keep(wanted("a"), 0.0)
    assert lingering.keep({}, 1.0) == wanted("a")
    assert lingering.keep(wanted("a", "2"), 1.5) == wanted("a", "2")
    assert lingering.ends_in(1.5) is None


def test_a_folder_that_stays_away_is_wanted_no_more() -> None:
    lingering = Lingering()
    lingering.keep({**wanted("a"), **wanted("b")}, 0.0)
    assert lingering.keep(wanted("b"), 1.0) == {**wanted("a"), **wanted("b")}
    assert lingering.ends_in(1.25) == LINGER_SECONDS - 0.25
    assert lingering.keep(wanted("b"), 1.0 + LINGER_SECONDS) == wanted("b")
    assert lingering.ends_in(1.0 + LINGER_SECONDS) is None
    assert lingering.keep(wanted("b"), 99.0) == wanted("b")


def test_what_the_set_or_the_api_takes_back_goes_at_once() -> None:
    lingering = Lingering()
    lingering.keep({**wanted("a", origin="set"), **wanted("b", origin="api")}, 0.0)
    assert lingering.keep({}, 0.1) == {}
    assert lingering.ends_in(0.1) is None


def test_a_name_that_the_set_takes_over_is_the_set_s() -> None:
    lingering = Lingering()
    lingering.keep(wanted("a"), 0.0)
    assert lingering.keep(wanted("a", "9", "set"), 0.5) == wanted("a", "9", "set")
    assert lingering.keep({}, 0.6) == {}
