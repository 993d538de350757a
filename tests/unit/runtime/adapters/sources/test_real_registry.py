"""Images in a real registry: packed as KAITO's tuning does it, pushed and pulled."""

import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from registry import RealRegistry

from kaito.runtime.adapters.failure import AdapterError
from kaito.runtime.adapters.image import pack
from kaito.runtime.adapters.sources import Fetched, OciImage, Place, fetch

CONFIG = b'{"peft_type": "LORA", "r": 8}'
WEIGHTS = bytes(range(256)) * 8192  # 2 MiB


@pytest.fixture
def adapter(tmp_path: Path) -> Path:
    folder = tmp_path / "adapter"
    folder.mkdir()
    (folder / "adapter_config.json").write_bytes(CONFIG)
    (folder / "adapter_model.safetensors").write_bytes(WEIGHTS)
    return folder


@pytest.fixture
def place(tmp_path: Path) -> Place:
    (tmp_path / "into").mkdir()
    return Place(tmp_path / "into", tmp_path / "downloads", credentials=tmp_path)


@pytest.fixture(scope="module")
def protected(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealRegistry]:
    with RealRegistry.run(tmp_path_factory.mktemp("protected"), protected=True) as registry:
        yield registry


def files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


class Buildah:
    """The real tool, with a storage of its own. Skips the test where it is not there or may not run."""

    def __init__(self, folder: Path) -> None:
        if shutil.which("buildah") is None:
            pytest.skip("there is no buildah here")
        self._flags = ["--root", str(folder / "storage"), "--runroot", str(folder / "run"), "--storage-driver", "vfs"]
        if self._run("images").returncode != 0:
            pytest.skip("buildah may not run here")

    def __call__(self, *arguments: str) -> str:
        done = self._run(*arguments)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def _run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        command = ["buildah", *self._flags, *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)


@pytest.fixture
def buildah(tmp_path: Path) -> Buildah:
    return Buildah(tmp_path / "buildah")


async def push_and_fetch(registry: RealRegistry, adapter: Path, place: Place, *secrets: str) -> Fetched:
    import asyncio

    await asyncio.to_thread(registry.push, adapter, "team/adapter:v1")
    return await fetch(OciImage(f"{registry.host}/team/adapter:v1", secrets), place)


async def test_what_was_pushed_is_pulled(real_registry: RealRegistry, adapter: Path, place: Place) -> None:
    fetched = await push_and_fetch(real_registry, adapter, place)
    assert files(fetched.folder) == files(adapter)
    assert not list(place.downloads.iterdir())


def test_an_adapter_has_one_digest_wherever_it_is_packed(adapter: Path, tmp_path: Path) -> None:
    first = pack(adapter, tmp_path / "first", model="phi-3")
    (adapter / "adapter_config.json").touch()
    assert pack(adapter, tmp_path / "second", model="phi-3") == first
    manifest = json.loads((tmp_path / "first" / "blobs" / "sha256" / first.removeprefix("sha256:")).read_bytes())
    assert manifest["annotations"] == {"sh.kaito.model.name": "phi-3"}


async def test_the_digest_is_told_and_pins(real_registry: RealRegistry, adapter: Path, place: Place) -> None:
    fetched = await push_and_fetch(real_registry, adapter, place)
    for path in place.into.iterdir():
        path.unlink()
    pinned = await fetch(OciImage(f"{real_registry.host}/team/adapter@{fetched.origin_digest}"), place)
    assert pinned.origin_digest == fetched.origin_digest
    assert files(place.into) == files(adapter)


async def test_a_password_of_a_secret_opens_a_registry(protected: RealRegistry, adapter: Path, place: Place) -> None:
    (place.credentials / "team.json").write_text(protected.docker_config())
    assert files((await push_and_fetch(protected, adapter, place, "team")).folder) == files(adapter)


@pytest.mark.parametrize(("secrets", "said"), [((), "401"), (("other",), "The Secret other is not there.")])
async def test_without_one_it_says_so_and_waits(
    protected: RealRegistry, adapter: Path, place: Place, secrets: tuple[str, ...], said: str
) -> None:
    with pytest.raises(AdapterError, match=said) as caught:
        await push_and_fetch(protected, adapter, place, *secrets)
    assert (caught.value.reason, caught.value.passes) == ("SourceUnauthorized", True)


async def test_an_image_that_is_not_there_yet_is_waited_for(real_registry: RealRegistry, place: Place) -> None:
    with pytest.raises(AdapterError, match="404") as caught:
        await fetch(OciImage(f"{real_registry.host}/team/none:v1"), place)
    assert (caught.value.reason, caught.value.passes) == ("SourceNotFound", True)


@pytest.mark.parametrize(
    ("form", "compression"), [("docker", "gzip"), ("oci", "gzip"), ("oci", "zstd"), ("oci", "zstd:chunked")]
)
async def test_what_buildah_pushes_is_pulled(
    buildah: Buildah, real_registry: RealRegistry, adapter: Path, place: Place, form: str, compression: str
) -> None:
    if compression != "gzip":
        pytest.importorskip("backports.zstd")
    container = buildah("from", "scratch")
    buildah("copy", container, str(adapter), "/data")
    buildah("commit", "--format", form, container, "made")
    image = f"{real_registry.host}/buildah/{form}:{compression.replace(':', '-')}"
    buildah("push", "--tls-verify=false", "--compression-format", compression, "made", f"docker://{image}")
    await fetch(OciImage(image), place)
    assert files(place.into) == files(adapter)


def test_buildah_pulls_what_we_push(buildah: Buildah, real_registry: RealRegistry, adapter: Path) -> None:
    digest = real_registry.push(adapter, "team/engine:v1")
    image = buildah("pull", "--tls-verify=false", f"docker://{real_registry.host}/team/engine@{digest}")
    folder = Path(buildah("mount", buildah("from", image))) / "data"
    assert files(folder) == files(adapter)
