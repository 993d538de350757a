"""Whom each name asks."""

from kaito.runtime.adapters.decide import Prepared, Served, Tracked
from kaito.runtime.adapters.names import Target, names
from kaito.runtime.adapters.wanted import Part, Wanted


def tracked(name: str, number: int | None, *, aliases: tuple[str, ...] = (), strength: str = "1") -> Tracked:
    prepared = Prepared(f"sha256:{name * 64}", f"/{name}", "", 8, 1, strength)
    wanted = Wanted(name, "set", {"path": "/", "aliases": aliases})
    served = None if number is None else Served(number, prepared)
    return Tracked(name, wanted, 0.0, "Ready" if served else "Validating", prepared=prepared, served=served)


def together(number: int | None, *, failed: bool = False) -> Tracked:
    wanted = Wanted("ws", "workspace", parts=(Part("a", "/a", ""), Part("b", "/b", "")))
    served = None if number is None else Served(number, Prepared("sha256:" + "f" * 64, "/f", "", 16, 1))
    return Tracked("ws", wanted, 0.0, "Failed" if failed else "Validating", served=served)


def numbers(found: dict[str, Target | None]) -> dict[str, int | None]:
    return {name: target and target.number for name, target in found.items()}


def test_an_adapter_is_asked_by_its_name_its_version_and_its_aliases() -> None:
    found = names({"a": tracked("a", 1, aliases=("prod",))}, "", {})
    assert numbers(found) == {"a": 1, f"a@{'a' * 12}": 1, "prod": 1}


def test_another_strength_is_another_version() -> None:
    assert f"a@{'a' * 12}*0.5" in names({"a": tracked("a", 1, strength="0.5")}, "", {})


def test_the_workspace_asks_the_base_model_or_its_one_adapter() -> None:
    assert numbers(names({}, "ws", {})) == {"ws": None}
    assert numbers(names({"a": tracked("a", 1)}, "ws", {}))["ws"] == 1
    assert numbers(names({"a": tracked("a", 1), "b": tracked("b", None)}, "ws", {}))["ws"] == 1


def test_while_the_sum_is_on_its_way_the_workspace_asks_whom_it_asked_before() -> None:
    both = {"a": tracked("a", 1), "b": tracked("b", 2)}
    before = names({"a": tracked("a", 1)}, "ws", {})
    assert numbers(names({**both, "ws": together(None)}, "ws", before))["ws"] == 1
    assert numbers(names({**both, "ws": together(3)}, "ws", before))["ws"] == 3
    assert numbers(names({**both, "ws": together(None)}, "ws", {"ws": None}))["ws"] is None
    assert "ws" not in names({**both, "ws": together(None)}, "ws", {})


def test_while_another_part_of_the_sum_is_still_coming_the_workspace_asks_whom_it_asked_before() -> None:
    some = {"a": tracked("a", 1), "b": tracked("b", 2), "c": tracked("c", None)}
    before = names({"a": tracked("a", 1)}, "ws", {})
    assert numbers(names(some, "ws", before))["ws"] == 1
    assert numbers(names({**some, "a": tracked("a", 4)}, "ws", before))["ws"] == 4
    assert "ws" not in names(some, "ws", {})


def test_a_sum_that_cannot_be_served_is_nobody_s_name() -> None:
    both = {"a": tracked("a", 1), "b": tracked("b", 2)}
    before = names({"a": tracked("a", 1)}, "ws", {})
    assert "ws" not in names({**both, "ws": together(None, failed=True)}, "ws", before)
    assert "ws" not in names({**both, "ws": together(3, failed=True)}, "ws", before)


def test_what_drains_has_no_name() -> None:
    draining = tracked("a", 1).want(None, 1.0)
    assert numbers(names({"a": draining}, "ws", {})) == {"ws": None}
