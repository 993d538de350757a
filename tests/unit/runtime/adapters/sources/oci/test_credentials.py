"""Which entry of which Secret is for an image: kubelet's rules, in all forms that tools write."""

import json
from base64 import b64encode
from pathlib import Path
from typing import Any

import pytest

from kaito.runtime.adapters.sources.oci.credentials import read_keys
from kaito.runtime.adapters.sources.oci.reference import Reference


def auth(username: str = "u", password: str = "p") -> dict[str, str]:
    return {"auth": b64encode(f"{username}:{password}".encode()).decode()}


def found(folder: Path, auths: Any, image: str = "ghcr.io/org/adapter") -> list[tuple[str, str, str, str]]:
    (folder / "s.json").write_text(json.dumps(auths))
    keys = read_keys(folder, ["s"], Reference.parse(image))
    return [(key.username, key.password, key.identity_token, key.registry_token) for key in keys.credentials]


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        (auth(), ("u", "p", "", "")),
        ({"username": "u", "password": "p"}, ("u", "p", "", "")),
        ({"username": "u", "password": "p", "email": "x@y"}, ("u", "p", "", "")),
        (auth("u", "p:with:colons"), ("u", "p:with:colons", "", "")),
        ({"auth": auth()["auth"].rstrip("=")}, ("u", "p", "", "")),
        ({"auth": b64encode(b"u:p\0\0").decode()}, ("u", "p", "", "")),
        ({**auth("<token>", ""), "identitytoken": "t"}, ("", "", "t", "")),
        (auth("<token>", "t"), ("", "", "t", "")),
        ({"identitytoken": "t"}, ("", "", "t", "")),
        ({"registrytoken": "t"}, ("", "", "", "t")),
    ],
)
def test_every_form_is_read(tmp_path: Path, entry: dict[str, str], expected: tuple[str, ...]) -> None:
    assert found(tmp_path, {"auths": {"ghcr.io": entry}}) == [expected]
    assert found(tmp_path, {"ghcr.io": entry}) == [expected]  # .dockercfg


@pytest.mark.parametrize(
    ("key", "image", "matches"),
    [
        ("ghcr.io", "ghcr.io/org/a", True),
        ("https://ghcr.io", "ghcr.io/org/a", True),
        ("https://ghcr.io/v2/", "ghcr.io/org/a", True),
        ("GHCR.io", "ghcr.io/org/a", True),
        ("https://index.docker.io/v1/", "org/a", True),
        ("docker.io", "org/a", True),
        ("registry-1.docker.io", "library/a", True),
        ("ghcr.io/org", "ghcr.io/org/a", True),
        ("ghcr.io/org/a", "ghcr.io/org/a", True),
        ("ghcr.io/or", "ghcr.io/org/a", False),
        ("ghcr.io/org/a/b", "ghcr.io/org/a", False),
        ("*.azurecr.io", "team.azurecr.io/a", True),
        ("*.azurecr.io", "x.team.azurecr.io/a", False),
        ("te*.azurecr.io", "team.azurecr.io/a", True),
        ("registry:5000", "registry:5000/a", True),
        ("registry", "registry:5000/a", False),
        ("registry.x:5000", "registry.x/a", False),
        ("registry.x:5001", "registry.x:5000/a", False),
        ("ghcr.io.evil.example", "ghcr.io/org/a", False),
        ("evil-ghcr.io", "ghcr.io/org/a", False),
    ],
)
def test_hosts_ports_and_paths_are_matched_as_kubelet_does(tmp_path: Path, key: str, image: str, matches: bool) -> None:
    assert bool(found(tmp_path, {"auths": {key: auth()}}, image)) is matches


def test_the_most_specific_comes_first(tmp_path: Path) -> None:
    auths = {"ghcr.io": auth("host"), "ghcr.io/org/adapter": auth("all"), "ghcr.io/org": auth("path")}
    assert [key[0] for key in found(tmp_path, {"auths": auths})] == ["all", "path", "host"]


def test_a_secret_that_changes_is_read_anew(tmp_path: Path) -> None:
    assert found(tmp_path, {"auths": {"ghcr.io": auth("u", "old")}}) == [("u", "old", "", "")]
    assert found(tmp_path, {"auths": {"ghcr.io": auth("u", "new")}}) == [("u", "new", "", "")]


@pytest.mark.parametrize(
    "content",
    [
        "",
        "c4n4ry",
        "[]",
        '{"auths": 3}',
        '{"auths": {"ghcr.io": "c4n4ry"}}',
        '{"auths": {"ghcr.io": {"auth": "c4n4ry!"}}}',
    ],
)
def test_a_broken_secret_is_named_but_not_quoted_and_the_others_count(tmp_path: Path, content: str) -> None:
    (tmp_path / "good.json").write_text(json.dumps({"auths": {"ghcr.io": auth()}}))
    (tmp_path / "bad.json").write_text(content)
    keys = read_keys(tmp_path, ["bad", "good", "none"], Reference.parse("ghcr.io/org/a"))
    assert [key.username for key in keys.credentials] == ["u"]
    assert keys.remarks == (
        "The Secret bad holds no .dockerconfigjson that can be read.",
        "The Secret none is not there.",
    )


def test_secrets_for_other_registries_are_said(tmp_path: Path) -> None:
    (tmp_path / "s.json").write_text(json.dumps({"auths": {"quay.io": auth()}}))
    keys = read_keys(tmp_path, ["s"], Reference.parse("ghcr.io/org/a"))
    assert keys.remarks == ("The Secret s has no credentials for ghcr.io/org/a.",)


def test_no_secret_shows_in_a_representation(tmp_path: Path) -> None:
    (tmp_path / "s.json").write_text(
        json.dumps({"auths": {"ghcr.io": {**auth("u", "c4n4ry"), "identitytoken": "c4n4ry"}}})
    )
    assert "c4n4ry" not in repr(read_keys(tmp_path, ["s"], Reference.parse("ghcr.io/org/a")))
