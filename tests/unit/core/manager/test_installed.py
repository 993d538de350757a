"""Which installed package's controller runs: names that replace, names that add, and choices of the command line."""

from pathlib import Path

import pytest

from kaito.core import KaitoError
from kaito.core.manager import installed_controllers

GROUP = "example.controllers"


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Install a distribution with entry points, as pip leaves it behind."""

    def installed(name: str, entry_points: dict[str, str]) -> None:
        site = tmp_path / name
        info = site / f"{name}-1.2.dist-info"
        info.mkdir(parents=True)
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.2\n")
        lines = "".join(f"{entry} = {value}\n" for entry, value in entry_points.items())
        (info / "entry_points.txt").write_text(f"[{GROUP}]\n{lines}")
        monkeypatch.syspath_prepend(str(site))

    return installed


def chosen(text: str = "*", elsewhere: tuple[str, ...] = ()) -> dict[str, str]:
    return {name: entry.value for name, entry in installed_controllers(GROUP, "own", text, elsewhere).items()}


def test_a_package_that_declares_a_built_in_name_replaces_it_and_another_name_is_added(install) -> None:
    install("own", {"web": "own:web", "db": "own:db"})
    install("theirs", {"web": "theirs:web", "cache": "theirs:cache"})
    assert chosen() == {"cache": "theirs:cache", "db": "own:db", "web": "theirs:web"}


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("*", ["cache", "db", "web"]),
        ("", ["cache", "db", "web"]),
        ("*,-web", ["cache", "db"]),
        ("-web, -db", ["cache"]),
        ("web", ["web"]),
        ("web,db,-db", ["web"]),
    ],
)
def test_the_list_chooses_as_that_of_kube_controller_manager_does(install, text: str, names: list[str]) -> None:
    install("own", {"web": "own:web", "db": "own:db", "cache": "own:cache"})
    assert list(chosen(text)) == names


def test_what_runs_in_another_process_is_no_choice_here(install) -> None:
    install("own", {"web": "own:web", "db": "own:db"})
    assert list(chosen("*", ("db",))) == ["web"]
    with pytest.raises(KaitoError, match="ReconcilerMissing"):
        chosen("db", ("db",))


def test_two_packages_with_one_name_are_refused_unless_it_is_not_wanted(install) -> None:
    install("own", {"web": "own:web", "db": "own:db"})
    install("first", {"web": "first:web"})
    install("second", {"web": "second:web"})
    with pytest.raises(KaitoError) as refused:
        chosen()
    assert refused.value.reason == "ReconcilerAmbiguous"
    assert refused.value.terminal
    assert "first 1.2 and second 1.2 both have an entry point 'web'" in str(refused.value)
    assert list(chosen("-web")) == ["db"]


def test_a_name_that_nobody_declares_is_refused_with_those_that_are(install) -> None:
    install("own", {"web": "own:web"})
    with pytest.raises(KaitoError) as refused:
        chosen("*,-wep")
    assert refused.value.reason == "ReconcilerMissing"
    assert "'wep'" in str(refused.value)
    assert "Installed are: web." in str(refused.value)
