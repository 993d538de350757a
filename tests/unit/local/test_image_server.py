import json
import shutil
from pathlib import Path

import aiohttp
import pytest

from kaito.core.errors import KaitoError
from kaito.local.image_server import manifest_digest, serve_images
from kaito.runtime.adapters.failure import AdapterError
from kaito.runtime.adapters.image import pack
from kaito.runtime.adapters.sources import OciImage, Place, fetch

FILES = {"adapter_config.json": b'{"peft_type": "LORA", "r": 8}', "adapter_model.safetensors": bytes(range(256)) * 999}


@pytest.fixture
def layout(tmp_path: Path) -> Path:
    adapter = tmp_path / "adapter"
    adapter.mkdir()
    for name, content in FILES.items():
        (adapter / name).write_bytes(content)
    pack(adapter, tmp_path / "layout", model="phi-3")
    return tmp_path / "layout"


@pytest.fixture
def place(tmp_path: Path) -> Place:
    (tmp_path / "into").mkdir()
    return Place(tmp_path / "into", tmp_path / "downloads", credentials=tmp_path)


@pytest.mark.parametrize("by", ["tag", "digest"])
async def test_the_runtime_pulls_from_it(layout: Path, place: Place, by: str) -> None:
    digest = manifest_digest(layout)
    async with serve_images({"team/demo:v1": layout}) as host:
        version = ":v1" if by == "tag" else f"@{digest}"
        fetched = await fetch(OciImage(f"{host}/team/demo{version}"), place)
    assert {path.name: path.read_bytes() for path in fetched.folder.iterdir()} == FILES
    assert fetched.origin_digest == digest


@pytest.mark.parametrize("image", ["team/demo:v2", "team/other:v1", "team/demo@sha256:" + 64 * "0"])
async def test_what_it_does_not_have_is_not_found(layout: Path, place: Place, image: str) -> None:
    async with serve_images({"team/demo:v1": layout}) as host:
        with pytest.raises(AdapterError) as caught:
            await fetch(OciImage(f"{host}/{image}"), place)
    assert caught.value.reason == "SourceNotFound"


async def test_a_pull_that_was_cut_goes_on_where_it_was(layout: Path) -> None:
    blob = max((layout / "blobs" / "sha256").iterdir(), key=lambda path: path.stat().st_size)
    async with serve_images({"demo:v1": layout}) as host, aiohttp.ClientSession() as session:
        url = f"http://{host}/v2/demo/blobs/sha256:{blob.name}"
        async with session.get(url, headers={"Range": "bytes=5-"}) as answer:
            assert answer.status == 206
            assert await answer.read() == blob.read_bytes()[5:]
        async with session.head(url) as answer:
            assert answer.headers["Content-Length"] == str(blob.stat().st_size)


async def test_no_path_leads_out_of_a_layout(layout: Path) -> None:
    (layout / "secret").write_text("no blob")
    async with serve_images({"demo:v1": layout}) as host, aiohttp.ClientSession() as session:
        for digest in ("sha256:..%2F..%2Fsecret", "..%2F..%2Fsecret", "sha512:" + 64 * "0", "secret"):
            async with session.get(f"http://{host}/v2/demo/blobs/{digest}") as answer:
                assert answer.status == 404, digest


async def test_nobody_can_push(layout: Path) -> None:
    async with serve_images({"demo:v1": layout}) as host, aiohttp.ClientSession() as session:
        async with session.put(f"http://{host}/v2/demo/manifests/v1", data=b"{}") as answer:
            assert answer.status == 405
        async with session.post(f"http://{host}/v2/demo/blobs/uploads/") as answer:
            assert answer.status in (404, 405)


@pytest.mark.parametrize("damage", ["none", "index", "manifest"])
async def test_a_folder_that_is_no_layout_is_refused_at_once(layout: Path, damage: str) -> None:
    if damage == "none":
        shutil.rmtree(layout)
    elif damage == "index":
        (layout / "index.json").write_text(json.dumps({"manifests": [{"digest": "sha256:../../index.json"}]}))
    else:
        shutil.rmtree(layout / "blobs")
    with pytest.raises(KaitoError, match="no image layout"):
        async with serve_images({"demo:v1": layout}):
            pass


async def test_an_address_that_is_taken_is_named(layout: Path) -> None:
    async with serve_images({"demo:v1": layout}) as host:
        with pytest.raises(KaitoError, match=host):
            async with serve_images({"demo:v1": layout}, host):
                pass
