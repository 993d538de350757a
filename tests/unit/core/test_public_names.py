"""What is public is described: every exported name, and every public method and property of an exported class."""

import importlib.resources
import inspect
import pkgutil
from collections.abc import Iterator
from types import ModuleType
from typing import Any

import pytest

import kaito.core
import kaito.testing


def packages(root: ModuleType) -> Iterator[ModuleType]:
    """A package and those inside it that say what they export."""
    yield root
    for found in pkgutil.walk_packages(root.__path__, f"{root.__name__}."):
        module = importlib.import_module(found.name)
        if found.ispkg and hasattr(module, "__all__"):
            yield module


PACKAGES = [*packages(kaito.core), *packages(kaito.testing)]


def members(owner: type) -> Iterator[tuple[str, Any]]:
    """The public methods and properties that a class defines itself."""
    for name, member in vars(owner).items():
        if isinstance(member, classmethod | staticmethod):
            member = member.__func__
        if not name.startswith("_") and (inspect.isfunction(member) or isinstance(member, property)):
            yield f"{owner.__name__}.{name}", member


@pytest.mark.parametrize("package", PACKAGES, ids=lambda package: package.__name__)
def test_every_public_name_says_what_it_is(package: ModuleType) -> None:
    silent = []
    for name in package.__all__:
        public = getattr(package, name)
        if not (inspect.isclass(public) or inspect.isfunction(public)):
            continue
        described = dict(members(public)) if inspect.isclass(public) else {}
        silent += [what for what, member in {name: public, **described}.items() if not (member.__doc__ or "").strip()]
    assert not silent


@pytest.mark.parametrize("package", PACKAGES, ids=lambda package: package.__name__)
def test_the_exported_names_are_there_and_in_order(package: ModuleType) -> None:
    names = list(package.__all__)
    assert len(set(names)) == len(names)
    assert [name for name in names if not hasattr(package, name)] == []


def test_the_package_says_that_it_is_typed() -> None:
    assert (importlib.resources.files("kaito") / "py.typed").is_file()
