"""Archives that were made to harm: refused with a reason, and not a byte outside the folder."""

import gzip
import io
import os
import struct
import tarfile
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kaito.runtime.adapters.failure import AdapterError
from kaito.runtime.adapters.sources.archive import Archive
from kaito.runtime.adapters.sources.limits import Limits
from kaito.runtime.adapters.sources.unpacking import WANTED, Room, parts

CONFIG, WEIGHTS = WANTED
LIMITS = Limits(adapter=1 << 20, unpacked=4 << 20, free=1 << 20, ratio=20, entries=100)


def tar(*entries: tuple[str, bytes] | tarfile.TarInfo, **options: Any) -> bytes:
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w", **options) as archive:
        for entry in entries:
            if isinstance(entry, tarfile.TarInfo):
                archive.addfile(entry)
            else:
                header = tarfile.TarInfo(entry[0])
                header.size = len(entry[1])
                archive.addfile(header, io.BytesIO(entry[1]))
    return content.getvalue()


def special(name: str, kind: bytes, target: str = "") -> tarfile.TarInfo:
    entry = tarfile.TarInfo(name)
    entry.type, entry.linkname = kind, target
    return entry


def sized(name: str, size: int) -> bytes:
    """Return a header alone that promises `size` bytes."""
    entry = tarfile.TarInfo(name)
    entry.size = size
    return entry.tobuf(tarfile.GNU_FORMAT)


def packed(*entries: tuple[str, bytes], **options: Any) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", options.pop("compression", zipfile.ZIP_DEFLATED)) as archive:
        for name, data in entries:
            info = zipfile.ZipInfo(name)
            info.compress_type = archive.compression
            for field, value in options.items():
                setattr(info, field, value)
            archive.writestr(info, data)
    return content.getvalue()


def doubled_zip() -> bytes:
    with pytest.warns(UserWarning, match="Duplicate"):
        return packed((CONFIG, b"{}"), (CONFIG, b"{}"))


def encrypted() -> bytes:
    content = bytearray(packed((CONFIG, b"{}")))
    content[6] |= 1
    content[content.index(b"PK\x01\x02") + 8] |= 1
    return bytes(content)


def negative() -> bytes:
    """A header whose size is negative: a reader that goes there reads it for ever."""
    header = bytearray(sized("x", 0))
    header[124:136] = b"\xff" * 8 + struct.pack(">i", -512)
    header[148:156] = b" " * 8
    header[148:156] = b"%06o\0 " % sum(header)
    return bytes(header) + bytes(1024)


def nested(times: int) -> bytes:
    """Long names of long names of long names."""
    entry = special("x", b"L").tobuf(tarfile.GNU_FORMAT)
    return entry * times + tar((CONFIG, b"{}"))


def long_list() -> bytes:
    content = bytearray(packed((CONFIG, b"{}")))
    end = content.rindex(b"PK\x05\x06")
    content[end + 12 : end + 16] = struct.pack("<I", 1 << 30)
    return bytes(content)


GOOD = ((CONFIG, b"{}"), (WEIGHTS, b"weights"))
CORPUS: dict[str, tuple[Callable[[], bytes], str]] = {
    "way out": (lambda: tar(("../evil", b"x"), *GOOD), "ArchiveInvalid"),
    "way out of a folder": (lambda: tar((f"data/../../{CONFIG}", b"x")), "ArchiveInvalid"),
    "absolute": (lambda: tar(("/etc/evil", b"x"), *GOOD), "ArchiveInvalid"),
    "absolute and wanted": (lambda: tar((f"/{CONFIG}", b"x")), "ArchiveInvalid"),
    "symlink": (lambda: tar(special(CONFIG, tarfile.SYMTYPE, "/etc/passwd")), "UnsafeFile"),
    "symlink to a folder": (lambda: tar(special("data", tarfile.SYMTYPE, "/etc"), ("data/x", b"x")), "UnsafeFile"),
    "hard link": (lambda: tar(special(WEIGHTS, tarfile.LNKTYPE, "/etc/passwd")), "UnsafeFile"),
    "pipe": (lambda: tar(special(CONFIG, tarfile.FIFOTYPE)), "UnsafeFile"),
    "device": (lambda: tar(special("zero", tarfile.CHRTYPE)), "UnsafeFile"),
    "block device": (lambda: tar(special("disk", tarfile.BLKTYPE)), "UnsafeFile"),
    "sparse": (lambda: tar(special(CONFIG, tarfile.GNUTYPE_SPARSE)), "UnsafeFile"),
    "twice": (lambda: tar((CONFIG, b"{}"), (CONFIG, b"{}")), "ArchiveInvalid"),
    "two adapters": (lambda: tar((f"a/{CONFIG}", b"{}"), (f"b/{CONFIG}", b"{}")), "ArchiveInvalid"),
    "long name": (lambda: tar(("x" * 300, b"")), "ArchiveInvalid"),
    "long path": (lambda: tar(("x/" * 3000, b"")), "ArchiveInvalid"),
    "name of a gigabyte": (lambda: special_size(b"L", 1 << 30), "ArchiveInvalid"),
    "attributes of a gigabyte": (lambda: special_size(b"x", 1 << 30), "ArchiveInvalid"),
    "negative size": (negative, "ArchiveInvalid"),
    "negative size later": (lambda: tar(("other", b"x"))[:1024] + negative(), "ArchiveInvalid"),
    "nested names": (lambda: nested(3000), "ArchiveInvalid"),
    "ends within a file": (lambda: sized(CONFIG, 5000) + b"x" * 100, "ArchiveInvalid"),
    "ends within what is passed over": (lambda: sized("other", 5000) + b"x" * 100, "ArchiveInvalid"),
    "half a gzip": (lambda: gzip.compress(tar((WEIGHTS, os.urandom(5000))))[:3000], "ArchiveInvalid"),
    "gzip with a wrong sum": (lambda: broken_sum(gzip.compress(tar(*GOOD))), "ArchiveInvalid"),
    "text": (lambda: b"no archive at all" * 100, "ArchiveInvalid"),
    "empty": (lambda: b"", "ArchiveInvalid"),
    "bomb": (lambda: gzip.compress(tar((WEIGHTS, bytes(3 << 20)))), "TooLarge"),
    "bomb that is passed over": (lambda: gzip.compress(tar(("other", bytes(3 << 20)), *GOOD)), "TooLarge"),
    "too large": (lambda: tar((WEIGHTS, os.urandom((1 << 20) + 1))), "TooLarge"),
    "too many": (lambda: tar(*((f"f{number}", b"") for number in range(200))), "TooLarge"),
    "zip: way out": (lambda: packed(("../evil", b"x"), *GOOD), "ArchiveInvalid"),
    "zip: way out with backslashes": (lambda: packed(("..\\evil", b"x"), *GOOD), "ArchiveInvalid"),
    "zip: absolute": (lambda: packed(("/etc/evil", b"x")), "ArchiveInvalid"),
    "zip: symlink": (lambda: packed((CONFIG, b"/etc/passwd"), external_attr=0o120777 << 16), "UnsafeFile"),
    "zip: device": (lambda: packed((CONFIG, b""), external_attr=0o020666 << 16), "UnsafeFile"),
    "zip: twice": (doubled_zip, "ArchiveInvalid"),
    "zip: bomb": (lambda: packed((WEIGHTS, bytes(3 << 20))), "TooLarge"),
    "zip: too many": (lambda: packed(*((f"f{number}", b"") for number in range(200))), "TooLarge"),
    "zip: encrypted": (encrypted, "ArchiveInvalid"),
    "zip: packed oddly": (lambda: packed((CONFIG, b"{}"), compression=zipfile.ZIP_LZMA), "ArchiveInvalid"),
    "zip: wrong sum": (
        lambda: packed((CONFIG, b"abcdef"), compression=0).replace(b"abcdef", b"abcdeg"),
        "ArchiveInvalid",
    ),
    "zip: half": (lambda: packed(*GOOD)[:80], "ArchiveInvalid"),
    "zip: a list of a gigabyte": (long_list, "ArchiveInvalid"),
}


def special_size(kind: bytes, size: int) -> bytes:
    entry = tarfile.TarInfo("x")
    entry.type, entry.size = kind, size
    return entry.tobuf(tarfile.GNU_FORMAT) + b"x" * 4096


def broken_sum(content: bytes) -> bytes:
    return content[:-8] + bytes(4) + content[-4:]


def unpack(folder: Path, content: bytes, limits: Limits = LIMITS) -> Archive:
    """Unpack into folder/into; nothing else is below the folder but the archive."""
    (folder / "into").mkdir()
    (folder / "archive").write_bytes(content)
    archive = Archive(Room(folder / "into", limits), limits, "the archive")
    archive.unpack(folder / "archive")
    return archive


@pytest.mark.parametrize("name", CORPUS)
def test_what_was_made_to_harm_is_refused(tmp_path: Path, name: str) -> None:
    make, reason = CORPUS[name]
    with pytest.raises(AdapterError) as caught:
        unpack(tmp_path, make())
    assert (caught.value.reason, caught.value.passes) == (reason, False)
    assert {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*")} <= {
        *("archive", "into"),
        *(f"into/{wanted}" for wanted in WANTED),
    }
    assert all(path.is_file() and not path.is_symlink() for path in (tmp_path / "into").iterdir())


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (lambda content: content[:40], "ArchiveInvalid"),
        (lambda content: content[:20] + bytes(20) + content[40:], "ArchiveInvalid"),
        (lambda content: content[:4] + b"\xff" * 8 + content[12:], "ArchiveInvalid"),
    ],
)
def test_a_damaged_zstd_is_refused(tmp_path: Path, damage: Callable[[bytes], bytes], reason: str) -> None:
    zstd = pytest.importorskip("backports.zstd")
    content = zstd.compress(tar((WEIGHTS, os.urandom(5000)), (CONFIG, b"{}")))
    with pytest.raises(AdapterError) as caught:
        unpack(tmp_path, damage(content))
    assert caught.value.reason == reason


def test_a_bomb_of_zstd_is_refused(tmp_path: Path) -> None:
    zstd = pytest.importorskip("backports.zstd")
    with pytest.raises(AdapterError) as caught:
        unpack(tmp_path, zstd.compress(tar((WEIGHTS, bytes(3 << 20)))))
    assert caught.value.reason == "TooLarge"


@pytest.mark.parametrize("form", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_every_kind_of_tar_is_read(tmp_path: Path, form: int) -> None:
    unpack(tmp_path, tar(("Ünïcode", b"x"), ("d" * 90 + "/" + "e" * 90, b"x"), *GOOD, format=form))
    assert {path.name: path.read_bytes() for path in (tmp_path / "into").iterdir()} == dict(GOOD)


def test_a_file_that_shrinks_well_is_no_bomb(tmp_path: Path) -> None:
    zeros = bytes(1 << 20)
    content = gzip.compress(tar((CONFIG, b""), (WEIGHTS, zeros)))
    unpack(tmp_path, content, replace(LIMITS, free=2 << 20))
    assert (tmp_path / "into" / WEIGHTS).read_bytes() == zeros


_NAMES = st.lists(
    st.sampled_from(["..", ".", "", "a", "data", CONFIG, WEIGHTS, "\\", "..\\..", "C:", "~", "\0", "%2e%2e", "é"]),
    min_size=1,
    max_size=6,
).map("/".join) | st.text(max_size=40)


@given(_NAMES)
def test_no_name_leads_outside(name: str) -> None:
    try:
        found = parts(name, "x")
    except AdapterError as error:
        assert error.reason == "ArchiveInvalid"  # noqa: PT017 - either is right
        return
    assert ".." not in found
    assert not any("/" in part or "\0" in part for part in found)
    assert PurePosixPath("/root").joinpath(*found).is_relative_to("/root")


@given(st.lists(st.tuples(_NAMES, st.binary(max_size=20)), max_size=6), st.booleans())
def test_whatever_the_names_only_two_files_are_written(
    tmp_path_factory: pytest.TempPathFactory, entries: list[tuple[str, bytes]], zipped: bool
) -> None:
    folder = tmp_path_factory.mktemp("archive")
    content = io.BytesIO()
    if zipped:
        with zipfile.ZipFile(content, "w") as archive:
            for name in {name for name, _ in entries if name.isprintable() and name}:
                archive.writestr(name, b"x")
    else:
        content.write(tar(*((name.replace("\0", ""), data) for name, data in entries)))
    try:
        unpack(folder, content.getvalue())
    except AdapterError as error:
        assert error.reason in {"ArchiveInvalid", "TooLarge", "UnsafeFile"}  # noqa: PT017 - either is right
    assert {path.name for path in (folder / "into").iterdir()} <= set(WANTED)
    assert {path.name for path in folder.iterdir()} == {"archive", "into"}


@given(st.data())
def test_no_damage_is_more_than_a_refusal(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    good = data.draw(st.sampled_from([tar(*GOOD), gzip.compress(tar(*GOOD)), packed(*GOOD)]))
    content = bytearray(good)
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    try:
        unpack(tmp_path_factory.mktemp("archive"), bytes(content[: data.draw(st.integers(1, len(content)))]))
    except AdapterError as error:
        assert error.reason in {"ArchiveInvalid", "TooLarge", "UnsafeFile"}  # noqa: PT017 - either is right
