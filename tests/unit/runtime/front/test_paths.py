import time

import pytest

from kaito.runtime.front import paths


@pytest.mark.parametrize(
    ("root", "path", "below"),
    [
        ("", "/v1/models", "/v1/models"),
        ("/x", "/v1/models", "/v1/models"),
        ("/x", "/x/v1/models", "/v1/models"),
        ("/x", "/x/x/x/v1/models", "/v1/models"),
        ("/x", "/xy/v1/models", "/xy/v1/models"),
        ("/x", "/x", "/x"),
        ("/x/y", "/x/y/x/v1/models", "/x/v1/models"),
    ],
)
def test_a_root_path_is_taken_off_as_often_as_it_stands_in_front(root: str, path: str, below: str) -> None:
    assert paths.below(root, path) == below


def test_a_path_of_a_million_roots_takes_no_longer_than_it_is() -> None:
    begun = time.process_time()
    assert paths.below("/x", "/x" * 1_000_000 + "/v1/models") == "/v1/models"
    assert time.process_time() - begun < 5
