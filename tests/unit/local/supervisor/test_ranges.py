"""Clusters that share a machine do not share addresses."""

from pathlib import Path

import pytest

from kaito.core.errors import KaitoError
from kaito.local.directory import ClusterDirectory
from kaito.local.supervisor.ranges import (
    POD_CIDR_ON_REAL,
    Ranges,
    choose,
    claim_ranges,
    is_unclaimed,
    read_ranges,
    write_ranges,
)

NOTHING = Ranges()
KEPT = Ranges("127.5.0.0/16", "127.247.0.0/16")


@pytest.mark.parametrize(
    ("wanted", "kept", "taken", "embedded", "expected"),
    [
        (NOTHING, NOTHING, (), True, Ranges("127.96.0.0/16", "127.244.0.0/16")),
        (NOTHING, NOTHING, ("127.96.0.0/16",), True, Ranges("127.97.0.0/16", "127.244.0.0/16")),
        (NOTHING, Ranges("127.99.0.0/16", "127.247.0.0/16"), (), True, Ranges("127.99.0.0/16", "127.247.0.0/16")),
        (Ranges("127.5.0.0/16", ""), NOTHING, (), True, Ranges("127.5.0.0/16", "127.244.0.0/16")),
        (Ranges("127.5.0.0/16", ""), KEPT, (), True, KEPT),
        (NOTHING, NOTHING, (), False, Ranges("", POD_CIDR_ON_REAL)),
        (NOTHING, Ranges("", "10.1.0.0/16"), (), False, Ranges("", "10.1.0.0/16")),
    ],
    ids=["first", "next free", "kept", "asked for", "asked for what is kept", "real", "real, kept"],
)
def test_ranges_asked_for_go_before_kept_before_free(
    wanted: Ranges, kept: Ranges, taken: tuple[str, ...], embedded: bool, expected: Ranges
) -> None:
    assert choose(wanted, kept, lambda cidr: cidr not in taken, embedded=embedded) == expected


def test_when_all_are_taken_the_flag_is_named() -> None:
    with pytest.raises(KaitoError, match="--service-cidr"):
        choose(NOTHING, NOTHING, lambda _: False, embedded=True)


@pytest.mark.parametrize(
    ("wanted", "flag"),
    [(Ranges("127.6.0.0/16", ""), "--service-cidr"), (Ranges("", "127.6.0.0/16"), "--pod-cidr")],
)
def test_other_ranges_than_those_of_the_kept_state_are_refused_with_a_remedy(wanted: Ranges, flag: str) -> None:
    with pytest.raises(KaitoError, match=r"not 127\.6\.0\.0/16") as caught:
        choose(wanted, KEPT, lambda _: True, embedded=True)
    assert caught.value.reason == "RangeChanged"
    assert flag in caught.value.remedy
    assert "--purge" in caught.value.remedy


@pytest.mark.parametrize(("kept", "embedded"), [(KEPT, False), (Ranges("", POD_CIDR_ON_REAL), True)])
def test_the_folder_of_an_embedded_cluster_is_no_folder_for_a_real_one(kept: Ranges, embedded: bool) -> None:
    with pytest.raises(KaitoError, match="--dir") as caught:
        choose(NOTHING, kept, lambda _: True, embedded=embedded)
    assert caught.value.reason == "OtherCluster"


def test_text_that_is_no_range_is_refused_with_its_flag() -> None:
    with pytest.raises(KaitoError, match=r"--pod-cidr 127\.1\.1\.1/16"):
        choose(Ranges("", "127.1.1.1/16"), NOTHING, lambda _: True, embedded=True)


def test_a_claimed_range_is_refused_to_others_until_it_is_let_go() -> None:
    ranges = Ranges("127.30.0.0/16", "127.31.0.0/16")
    with claim_ranges(ranges):
        assert not is_unclaimed("127.30.0.0/16")
        with pytest.raises(KaitoError, match=r"127\.31\.0\.0/16") as caught:
            claim_ranges(Ranges("127.32.0.0/16", "127.31.0.0/16"))
        assert caught.value.reason == "RangeInUse"
        assert is_unclaimed("127.32.0.0/16"), "a claim that failed keeps nothing"
    assert is_unclaimed("127.30.0.0/16")


def test_ranges_stay_with_the_folder(tmp_path: Path) -> None:
    paths = ClusterDirectory(tmp_path)
    assert read_ranges(paths) == NOTHING
    write_ranges(paths, Ranges("a", "b"))
    assert read_ranges(paths) == Ranges("a", "b")
