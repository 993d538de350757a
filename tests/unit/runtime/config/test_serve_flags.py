import argparse
from pathlib import Path

import pytest

from kaito.runtime.config import add_serve_flags


@pytest.mark.parametrize("flag", ["--kaito-drain-delay-seconds=-1", "--kaito-max-body-bytes=0", "--port=70000"])
def test_a_value_that_means_nothing_is_refused(flag: str) -> None:
    parser = argparse.ArgumentParser(allow_abbrev=False)
    add_serve_flags(parser)
    with pytest.raises(SystemExit):
        parser.parse_known_args(["--model=/w", flag])


def test_every_flag_is_on_a_page_for_users() -> None:
    parser = argparse.ArgumentParser(add_help=False)
    add_serve_flags(parser)
    docs = Path(__file__).parents[4] / "docs"
    pages = "".join((docs / name).read_text() for name in ("runtime.md", "adapters.md"))
    flags = [option for action in parser._actions for option in action.option_strings]
    assert [flag for flag in flags if f"`{flag}" not in pages] == []
