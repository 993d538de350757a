"""Pulling from a registry double: tokens, indexes, layers of every kind, and registries that lie."""

import gzip
import io
import json
import tarfile
from base64 import b64encode
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import pytest
from aiohttp import web
from rude_server import RudeServer, cut, in_pieces, status, whole

from kaito.runtime.adapters.failure import AdapterError
from kaito.runtime.adapters.sources import Fetched, OciImage, Place, fetch

CONFIG, WEIGHTS = b'{"r": 8}', bytes(range(256)) * 400
BOTH = {"data/adapter_config.json": CONFIG, "data/adapter_model.safetensors": WEIGHTS}
FILES = {"adapter_config.json": CONFIG, "adapter_model.safetensors": WEIGHTS}
PLAIN = "application/vnd.oci.image.layer.v1.tar"
TITLE = "org.opencontainers.image.title"
UNPACK = "io.deis.oras.content.unpack"


def tar(files: dict[str, bytes | None], links: Iterable[tuple[str, str]] = ()) -> bytes:
    """Return a tar; None stands for a folder."""
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w") as archive:
        for name, data in files.items():
            entry = tarfile.TarInfo(name)
            entry.type = tarfile.DIRTYPE if data is None else tarfile.REGTYPE
            entry.size = len(data or b"")
            archive.addfile(entry, io.BytesIO(data or b""))
        for name, target in links:
            entry = tarfile.TarInfo(name)
            entry.type, entry.linkname = tarfile.SYMTYPE, target
            archive.addfile(entry)
    return content.getvalue()


SYSTEM = tar(
    {"bin": None, "etc/passwd": b"root", "data": None, "data/adapter_config.json": b"old"},
    [("bin/sh", "/bin/busybox"), ("lib", "../usr/lib")],
)


class Registry:
    """Keeps images in a rude server, and pulls them."""

    def __init__(self, server: RudeServer, place: Place) -> None:
        self.server, self.place = server, place

    def add(self, *layers: bytes | dict[str, Any], tag: str = "v1") -> str:
        found = [layer if isinstance(layer, dict) else self.server.add_blob("team/a", layer) for layer in layers]
        return self.server.add_manifest("team/a", tag, {"layers": found})

    def blob(self, content: bytes, media_type: str = PLAIN, **annotations: str) -> dict[str, Any]:
        return {**self.server.add_blob("team/a", content), "mediaType": media_type, "annotations": annotations}

    async def pull(self, version: str = ":v1", *secrets: str) -> Fetched:
        return await fetch(OciImage(f"{self.server.host}/team/a{version}", secrets), self.place)

    async def refused(self, version: str = ":v1", *secrets: str) -> tuple[str, bool, str]:
        with pytest.raises(AdapterError) as caught:
            await self.pull(version, *secrets)
        return caught.value.reason, caught.value.passes, caught.value.message

    @property
    def files(self) -> dict[str, bytes]:
        return {path.name: path.read_bytes() for path in self.place.into.iterdir()}

    def blobs(self) -> int:
        return sum("/blobs/" in request.path for request in self.server.seen)


@pytest.fixture
def registry(server: RudeServer, place: Place) -> Registry:
    return Registry(server, place)


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
async def test_layers_are_read_packed_or_not(registry: Registry, pack: Any) -> None:
    digest = registry.add(pack(tar(BOTH)))
    assert (await registry.pull()).origin_digest == digest
    assert registry.files == FILES


async def test_layers_packed_with_zstd_are_read(registry: Registry) -> None:
    zstd = pytest.importorskip("backports.zstd")
    registry.add(zstd.compress(tar(BOTH)))
    await registry.pull()
    assert registry.files == FILES


CASES: dict[str, tuple[list[bytes], dict[str, bytes] | str]] = {
    "a system below is never fetched": ([SYSTEM, tar(BOTH)], FILES),
    "names may begin with ./": ([tar({f"./{name}": data for name, data in BOTH.items()})], FILES),
    "each in its own layer": ([tar({name: data}) for name, data in BOTH.items()], FILES),
    "the upper one holds": (
        [tar(BOTH), tar({"data/adapter_config.json": b"{}"})],
        {**FILES, "adapter_config.json": b"{}"},
    ),
    "removed": ([tar(BOTH), tar({"data/.wh.adapter_config.json": b""})], "has no adapter_config.json"),
    "the folder removed": ([tar(BOTH), tar({".wh.data": b""})], "has no adapter_config.json"),
    "the folder emptied": ([tar(BOTH), tar({"data/.wh..wh..opq": b"", "data/x": b""})], "It has: x."),
    "all emptied": ([tar(BOTH), tar({".wh..wh..opq": b""})], "has no adapter_config.json"),
    "emptied and filled": ([SYSTEM, tar({**BOTH, "data/.wh..wh..opq": b""})], FILES),
    "the folder became a link": ([tar(BOTH), tar({}, [("data", "/elsewhere")])], "has no adapter_config.json"),
    "a pickle": (
        [tar({"data/adapter_config.json": CONFIG, "data/adapter_model.bin": b"x"})],
        "adapter_model.bin. Other formats than safetensors can run code",
    ),
    "elsewhere": ([tar({"adapter_config.json": CONFIG, "deep/data/adapter_model.safetensors": b"x"})], "has no"),
    "a link": ([tar({}, [("data/adapter_model.safetensors", "/etc/shadow")])], "no plain file"),
    "a way out": ([tar({"data/../../etc/x": b"x"})], "leads outside"),
    "an absolute name": ([tar({"/data/adapter_config.json": b"x"})], "leads outside"),
    "no archive": ([b"<html>no</html>" * 50], "no archive that can be read"),
    "half a gzip": ([gzip.compress(tar(BOTH))[:-4000]], "no archive that can be read"),
    "half a tar": ([tar(BOTH)[:5000]], "ends within a file"),
    "nothing": ([], "has no adapter_config.json"),
}


@pytest.mark.parametrize("case", CASES)
async def test_layers_are_applied_as_engines_do(registry: Registry, case: str) -> None:
    layers, expected = CASES[case]
    registry.add(*layers)
    if isinstance(expected, dict):
        await registry.pull()
        assert registry.files == expected
    else:
        assert expected in (await registry.refused())[2]
    assert not list(registry.place.downloads.iterdir())


async def test_what_lies_below_both_files_costs_nothing(registry: Registry) -> None:
    registry.add(SYSTEM, tar(BOTH))
    await registry.pull()
    assert registry.blobs() == 1


async def test_artifacts_as_oras_pushes_files(registry: Registry) -> None:
    registry.add(
        registry.blob(CONFIG, **{TITLE: "adapter_config.json"}),
        registry.blob(b"no tar at all", **{TITLE: "README.md"}),
        registry.blob(WEIGHTS, "application/octet-stream", **{TITLE: "out/adapter_model.safetensors"}),
    )
    await registry.pull()
    assert registry.files == FILES


async def test_artifacts_as_oras_pushes_a_folder(registry: Registry) -> None:
    folder = {name.replace("data/", "my-adapter/"): data for name, data in BOTH.items()}
    registry.add(registry.blob(gzip.compress(tar(folder)), f"{PLAIN}+gzip", **{TITLE: "my-adapter", UNPACK: "true"}))
    await registry.pull()
    assert registry.files == FILES


async def test_artifacts_as_kaito_pushes_its_archive(registry: Registry) -> None:
    registry.add(registry.blob(gzip.compress(tar(BOTH)), f"{PLAIN}+gzip", **{TITLE: "layer.tar.gz"}))
    await registry.pull()
    assert registry.files == FILES


@pytest.mark.parametrize("chosen", [0, 1, 2])
async def test_of_an_index_the_one_for_this_machine_is_taken_else_any(
    registry: Registry, monkeypatch: pytest.MonkeyPatch, chosen: int
) -> None:
    monkeypatch.setattr("platform.machine", lambda: ["x86_64", "aarch64", "s390x"][chosen])
    entries = []
    for os, architecture in (("unknown", "unknown"), ("linux", "amd64"), ("linux", "arm64")):
        content = {"data/adapter_config.json": architecture.encode(), "data/adapter_model.safetensors": WEIGHTS}
        digest = registry.add(tar(content), tag=architecture)
        entries.append({"digest": digest, "size": 1, "platform": {"os": os, "architecture": architecture}})
    digest = registry.server.add_manifest("team/a", "v1", {"manifests": entries})
    assert (await registry.pull()).origin_digest == digest
    assert registry.files["adapter_config.json"] == [b"amd64", b"arm64", b"amd64"][chosen]


async def test_a_pin_is_kept_to(registry: Registry) -> None:
    digest = registry.add(tar(BOTH))
    assert (await registry.pull(f":other@{digest}")).origin_digest == digest
    path = f"/v2/team/a/manifests/{digest}"
    registry.server.files[path] += b" "
    assert (await registry.refused(f"@{digest}"))[:2] == ("DigestMismatch", True)


async def test_a_layer_that_is_not_what_the_manifest_says_is_refused(registry: Registry) -> None:
    registry.add(tar(BOTH))
    path = next(path for path in registry.server.files if "/blobs/" in path)
    registry.server.files[path] = registry.server.files[path][:-1] + b"!"
    assert (await registry.refused())[:2] == ("DigestMismatch", True)
    assert not registry.files


async def test_a_broken_layer_goes_on_after_a_restart(registry: Registry) -> None:
    registry.add(tar(BOTH))
    path = next(path for path in registry.server.files if "/blobs/" in path)
    registry.server.troubles[path] = [cut(20_000)] * 3
    assert (await registry.refused())[:2] == ("SourceUnreachable", True)
    await registry.pull()
    assert registry.server.ranges(path)[-1] == "bytes=60000-"
    assert registry.files == FILES


@pytest.mark.parametrize(
    ("document", "reason"),
    [
        (b"[]", "ArchiveInvalid"),
        (b"{}", "ArchiveInvalid"),
        (b'{"schemaVersion": 1}', "ArchiveInvalid"),
        (b"\xff\xfe", "ArchiveInvalid"),
        (b'{"schemaVersion": 2, "manifests": []}', "ArchiveInvalid"),
        (b'{"schemaVersion": 2, "layers": [{"digest": "../../x", "size": 1}]}', "ArchiveInvalid"),
        (b'{"schemaVersion": 2, "layers": [{"digest": "sha256:' + b"a" * 64 + b'", "size": -1}]}', "ArchiveInvalid"),
        (b'{"schemaVersion": 2, "layers": 7}', "ConfigMissing"),
        (b" " * (5 << 20), "TooLarge"),
        (
            b'{"schemaVersion": 2, "layers": [{"mediaType": "tar", "digest": "sha256:'
            + b"a" * 64
            + b'", "size": 99999999999999}]}',
            "TooLarge",
        ),
    ],
)
async def test_a_manifest_that_is_none_is_refused(registry: Registry, document: bytes, reason: str) -> None:
    registry.server.files["/v2/team/a/manifests/v1"] = document
    assert (await registry.refused())[:2] == (reason, False)


@pytest.mark.parametrize(
    ("number", "reason"), [(404, "SourceNotFound"), (429, "SourceUnreachable"), (502, "SourceUnreachable")]
)
async def test_what_a_registry_refuses_is_tried_again_later(registry: Registry, number: int, reason: str) -> None:
    registry.server.troubles["/v2/team/a/manifests/v1"] = [status(number)] * 3
    assert (await registry.refused())[:2] == (reason, True)


async def test_blobs_may_be_elsewhere_and_get_no_leave_there(registry: Registry) -> None:
    registry.add(tar(BOTH))
    path = next(path for path in registry.server.files if "/blobs/" in path)
    async with RudeServer.run() as store:
        store.files["/stored"] = registry.server.files[path]
        store.troubles["/stored"] = [status(403), cut(10_000)]  # a link that has expired is asked for anew
        registry.server.troubles[path] = [status(307, Location=f"{store.url}/stored?sig=x")] * 3
        tokens = Tokens(registry.server)
        (registry.place.credentials).mkdir()
        (registry.place.credentials / "s.json").write_text(tokens.secret())
        await registry.pull(":v1", "s")
        assert registry.files == FILES
        assert store.ranges("/stored") == ["", "", "bytes=10000-"]
        assert not any("Authorization" in request.headers for request in store.seen)


class Tokens:
    """Guards a rude server with tokens that a password or an identity token buys, each good for `uses` requests."""

    def __init__(self, server: RudeServer, *, uses: int = 1000) -> None:
        self.server, self.uses = server, uses
        self.given: list[str] = []
        self.left = 0
        server.guard = self._look

    def secret(self, **entry: str) -> str:
        given = entry or {"auth": b64encode(b"team:sesame").decode()}
        return json.dumps({"auths": {self.server.host: given}})

    async def _look(self, request: web.Request, server: RudeServer) -> web.Response | None:
        if request.path == "/token":
            return await self._token(request)
        if request.headers.get("Authorization") == f"Bearer token-{len(self.given)}" and self.left > 0:
            self.left -= 1
            return None
        challenge = f'Bearer realm="{server.url}/token",service="reg,istry",scope="repository:team/a:pull"'
        return web.Response(status=401, headers={"WWW-Authenticate": challenge})

    async def _token(self, request: web.Request) -> web.Response:
        form = dict(await request.post()) if request.method == "POST" else dict(request.query)
        assert (form["service"], form["scope"]) == ("reg,istry", "repository:team/a:pull")
        bought = request.headers.get("Authorization") == "Basic " + b64encode(b"team:sesame").decode()
        bought = bought or (form.get("grant_type"), form.get("refresh_token")) == ("refresh_token", "identity")
        if not bought:
            return web.Response(status=401)
        self.given.append(request.method)
        self.left = self.uses
        return web.json_response({"access_token" if request.method == "POST" else "token": f"token-{len(self.given)}"})


@pytest.mark.parametrize(
    ("entry", "methods"),
    [
        ({}, ["GET"]),
        ({"identitytoken": "identity"}, ["POST"]),
        ({"username": "team", "password": "sesame"}, ["GET"]),
    ],
)
async def test_a_token_is_bought_once(registry: Registry, entry: dict[str, str], methods: list[str]) -> None:
    registry.add(tar(BOTH))
    tokens = Tokens(registry.server)
    registry.place.credentials.mkdir()
    (registry.place.credentials / "s.json").write_text(tokens.secret(**entry))
    await registry.pull(":v1", "s")
    assert tokens.given == methods
    assert registry.files == FILES


async def test_a_token_that_expires_is_bought_anew(registry: Registry) -> None:
    registry.add(*(tar({name: data}) for name, data in BOTH.items()))
    tokens = Tokens(registry.server, uses=1)
    registry.place.credentials.mkdir()
    (registry.place.credentials / "s.json").write_text(tokens.secret())
    await registry.pull(":v1", "s")
    assert len(tokens.given) == 3
    assert registry.files == FILES


async def test_each_secret_that_fits_is_tried(registry: Registry) -> None:
    registry.add(tar(BOTH))
    tokens = Tokens(registry.server)
    registry.place.credentials.mkdir()
    (registry.place.credentials / "old.json").write_text(tokens.secret(username="team", password="forgotten"))
    (registry.place.credentials / "new.json").write_text(tokens.secret())
    await registry.pull(":v1", "old", "new")
    assert registry.files == FILES


async def test_a_wrong_password_is_refused_without_being_said(registry: Registry) -> None:
    registry.add(tar(BOTH))
    tokens = Tokens(registry.server)
    registry.place.credentials.mkdir()
    (registry.place.credentials / "s.json").write_text(tokens.secret(username="team", password="c4n4ry"))
    reason, passes, message = await registry.refused(":v1", "s")
    assert (reason, passes) == ("SourceUnauthorized", True)
    assert "c4n4ry" not in message
    assert len(registry.server.seen) < 6


@pytest.mark.parametrize(
    "answer",
    [whole(b"no json"), whole(b"{}"), whole(b"[]"), status(500), cut(0), whole(b" " * (2 << 20) + b'{"token": "t"}')],
)
async def test_a_token_server_in_trouble_is_waited_for(registry: Registry, answer: Any) -> None:
    challenge = f'Bearer realm="{registry.server.url}/token",service="x"'
    registry.server.files["/token"] = b"x" * 10
    registry.server.troubles = {
        "/v2/team/a/manifests/v1": [status(401, WWW_Authenticate=challenge)] * 9,
        "/token": [answer] * 9,
    }
    assert (await registry.refused())[:2] == ("SourceUnreachable", True)


async def test_a_token_may_come_in_pieces(registry: Registry) -> None:
    registry.add(tar(BOTH))
    registry.server.troubles = {
        "/v2/team/a/manifests/v1": [status(401, WWW_Authenticate=f'Bearer realm="{registry.server.url}/token"')],
        "/token": [in_pieces(b'{"token": "', b"t" * 3000, b'"}')],
    }
    await registry.pull()
    assert registry.files == FILES
    assert registry.server.seen[-1].headers["Authorization"] == "Bearer " + "t" * 3000


@pytest.mark.parametrize("document", ["The manifest", "A token"])
async def test_a_manifest_or_a_token_that_comes_drop_by_drop_is_given_up(registry: Registry, document: str) -> None:
    patience = replace(registry.place.patience, stall=10, document=0.2, attempts=1)
    registry.place = replace(registry.place, patience=patience)
    registry.add(tar(BOTH))
    drops = in_pieces(*[b" "] * 100)
    if document == "A token":
        blob = next(path for path in registry.server.files if "/blobs/" in path)
        challenge = f'Bearer realm="{registry.server.url}/token"'
        registry.server.troubles = {blob: [status(401, WWW_Authenticate=challenge)], "/token": [drops]}
    else:
        registry.server.troubles["/v2/team/a/manifests/v1"] = [drops]
    reason, passes, message = await registry.refused()
    assert (reason, passes) == ("SourceUnreachable", True)
    assert message.startswith(f"{document} of ")
    assert message.endswith("did not come within 0.2 seconds.")


async def test_a_token_server_at_the_clouds_own_address_is_not_asked(registry: Registry) -> None:
    challenge = 'Bearer realm="http://169.254.169.254/token",service="x"'
    registry.server.troubles["/v2/team/a/manifests/v1"] = [status(401, WWW_Authenticate=challenge)]
    assert (await registry.refused())[:2] == ("SourceNotAllowed", False)


async def test_a_challenge_that_nobody_understands_is_a_refusal(registry: Registry) -> None:
    for challenge in ("Negotiate", "Bearer", 'Bearer realm="ftp://x/"', 'Bearer realm="http://[",x', ""):
        registry.server.troubles["/v2/team/a/manifests/v1"] = [status(401, WWW_Authenticate=challenge)]
        assert (await registry.refused())[0] in {"SourceUnauthorized", "SourceNotAllowed"}
