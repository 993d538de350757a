"""An operator runs on uvloop where there is one, and on asyncio's own loop elsewhere."""

import asyncio
import sys

import pytest

from kaito.core import run


async def name_of_the_loop() -> str:
    return type(asyncio.get_running_loop()).__module__


def test_it_is_uvloop_where_that_is_installed() -> None:
    assert run(name_of_the_loop()).startswith("uvloop")


def test_it_is_asyncios_own_where_uvloop_is_not_to_be_had(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "uvloop", None)
    assert run(name_of_the_loop()).startswith("asyncio")


def test_what_the_operator_fails_with_is_raised() -> None:
    async def fail() -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        run(fail())
