"""Adapters by URL: both files, or one archive."""

import io
import tarfile
import zipfile

import pytest
from rude_server import RudeServer, cut, status

from kaito.runtime.adapters.failure import AdapterError
from kaito.runtime.adapters.sources import Place, Urls, fetch

CONFIG = b'{"r": 8}'
WEIGHTS = bytes(range(256)) * 400
BOTH = {"adapter_config.json": CONFIG, "adapter_model.safetensors": WEIGHTS}


def tar(folder: str, mode: str = "w") -> bytes:
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode=mode) as archive:
        for name, data in (
            ("adapter_config.json", CONFIG),
            ("README.md", b"x"),
            ("adapter_model.safetensors", WEIGHTS),
        ):
            entry = tarfile.TarInfo(folder + name)
            entry.size = len(data)
            archive.addfile(entry, io.BytesIO(data))
    return content.getvalue()


def packed(folder: str) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.mkdir("folder")
        archive.writestr(folder + "adapter_config.json", CONFIG)
        archive.writestr(folder + "adapter_model.safetensors", WEIGHTS)
    return content.getvalue()


def files(place: Place) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in place.into.iterdir()}


async def test_two_files_are_known_by_their_names(server: RudeServer, place: Place) -> None:
    server.files = {f"/x/{name}": content for name, content in BOTH.items()}
    server.troubles["/x/adapter_model.safetensors"] = [cut(5000)]
    await fetch(Urls(tuple(f"{server.url}/x/{name}?sig=abc" for name in reversed(BOTH))), place)
    assert files(place) == BOTH
    assert not list(place.downloads.iterdir())


@pytest.mark.parametrize(
    "content",
    [
        tar(""),
        tar("./"),
        tar("data/"),
        tar("my-adapter/"),
        tar("a/b/c/"),
        tar("data/", "w:gz"),
        packed(""),
        packed("x/"),
    ],
)
@pytest.mark.parametrize("name", ["adapter.tar.gz", "download"])
async def test_an_archive_may_have_them_in_any_one_folder(
    server: RudeServer, place: Place, content: bytes, name: str
) -> None:
    server.files[f"/{name}"] = content
    server.troubles[f"/{name}"] = [cut(500)]
    await fetch(Urls((f"{server.url}/{name}",)), place)
    assert files(place) == BOTH


async def test_redirects_are_followed(server: RudeServer, place: Place) -> None:
    server.files["/there/x"] = tar("")
    server.troubles["/here"] = [status(302, Location="/there/x")]
    await fetch(Urls((f"{server.url}/here",)), place)
    assert files(place) == BOTH


@pytest.mark.parametrize(
    ("names", "reason", "said"),
    [
        (("adapter_config.json",), "WeightsMissing", "has no adapter_model.safetensors"),
        (("adapter_model.safetensors",), "ConfigMissing", "has no adapter_config.json"),
        (("adapter_config.json", "adapter_model.bin"), "SourceNotAllowed", "adapter_model.bin is neither"),
        (("a.zip", "b.zip"), "SourceNotAllowed", "neither an archive alone"),
        (("adapter_config.json", "x/adapter_config.json"), "SourceNotAllowed", "a second"),
    ],
)
async def test_a_list_that_makes_no_adapter_is_refused_before_anything_is_asked(
    server: RudeServer, place: Place, names: tuple[str, ...], reason: str, said: str
) -> None:
    with pytest.raises(AdapterError, match=said) as caught:
        await fetch(Urls(tuple(f"{server.url}/{name}" for name in names)), place)
    assert (caught.value.reason, caught.value.passes) == (reason, False)
    assert not server.seen


async def test_a_page_instead_of_an_archive_is_refused(server: RudeServer, place: Place) -> None:
    server.files["/a.tgz"] = b"<html>Please log in</html>" * 100
    with pytest.raises(AdapterError) as caught:
        await fetch(Urls((f"{server.url}/a.tgz",)), place)
    assert caught.value.reason == "ArchiveInvalid"
    assert not list(place.into.iterdir())
    assert not list(place.downloads.iterdir())


async def test_loopback_is_refused_unless_the_server_was_told_otherwise(server: RudeServer, place: Place) -> None:
    careful = Place(place.into, place.downloads, patience=place.patience)
    with pytest.raises(AdapterError, match="no public address"):
        await fetch(Urls((f"{server.url}/a.tgz",)), careful)
    assert not server.seen
