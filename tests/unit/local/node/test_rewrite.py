import pytest

from kaito.local.node.rewrite import rewrite, rewrite_all

PATHS = {"/mnt/data": "/host/data", "/mnt/data/deep": "/host/deep", "/dev/shm": "/host/shm"}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("/mnt/data", "/host/data"),
        ("/mnt/data/", "/host/data/"),
        ("/mnt/data/x.txt", "/host/data/x.txt"),
        ("--dir=/mnt/data/x", "--dir=/host/data/x"),
        ("/mnt/data/deep/x", "/host/deep/x"),
        ("a:/mnt/data:/dev/shm", "a:/host/data:/host/shm"),
        ('{"dir": "/mnt/data"}', '{"dir": "/host/data"}'),
        ("cat /mnt/data/a /mnt/data/b", "cat /host/data/a /host/data/b"),
        ("/other/mnt/data", "/other/mnt/data"),
        ("/mnt/database", "/mnt/database"),
        ("/mnt/data.old", "/mnt/data.old"),
        ("http://host/mnt/data", "http://host/mnt/data"),
        ("nothing", "nothing"),
    ],
)
def test_mount_paths_are_replaced_where_they_are_paths(text: str, expected: str) -> None:
    assert rewrite(text, PATHS) == expected


def test_without_mounts_nothing_is_touched() -> None:
    assert rewrite_all(["/mnt/data"], {"A": "/mnt/data"}, {}) == (["/mnt/data"], {"A": "/mnt/data"})


def test_arguments_and_environment_are_rewritten_alike() -> None:
    assert rewrite_all(["--x=/mnt/data"], {"A": "/mnt/data/y"}, PATHS) == (["--x=/host/data"], {"A": "/host/data/y"})
