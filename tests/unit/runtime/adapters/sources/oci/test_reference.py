"""References as container engines read them."""

import pytest

from kaito.runtime.adapters.failure import AdapterError
from kaito.runtime.adapters.sources.oci.reference import Reference

D = "sha256:" + "a" * 64


@pytest.mark.parametrize(
    ("text", "read", "endpoint"),
    [
        ("adapter", "docker.io/library/adapter:latest", "https://registry-1.docker.io"),
        ("org/adapter:v1", "docker.io/org/adapter:v1", "https://registry-1.docker.io"),
        ("index.docker.io/org/adapter", "docker.io/org/adapter:latest", "https://registry-1.docker.io"),
        ("ghcr.io/org/a/b:v1.0_x", "ghcr.io/org/a/b:v1.0_x", "https://ghcr.io"),
        ("oci://ghcr.io/org/a", "ghcr.io/org/a:latest", "https://ghcr.io"),
        ("MyRegistry.azurecr.io/x:1", "myregistry.azurecr.io/x:1", "https://myregistry.azurecr.io"),
        (f"ghcr.io/org/a:v1@{D}", f"ghcr.io/org/a@{D}", "https://ghcr.io"),
        ("registry:5000/a", "registry:5000/a:latest", "https://registry:5000"),
        ("localhost/a", "localhost/a:latest", "http://localhost"),
        ("127.0.0.5:5000/a:v1", "127.0.0.5:5000/a:v1", "http://127.0.0.5:5000"),
        ("[::1]:5000/a", "[::1]:5000/a:latest", "http://[::1]:5000"),
        ("localhost:443/a", "localhost:443/a:latest", "https://localhost"),
        ("10.0.0.1:5000/a", "10.0.0.1:5000/a:latest", "https://10.0.0.1:5000"),
    ],
)
def test_it_is_read_as_engines_do(text: str, read: str, endpoint: str) -> None:
    reference = Reference.parse(text)
    assert str(reference) == read
    assert str(reference.endpoint).rstrip("/") == endpoint.rstrip("/")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "ghcr.io/",
        "ghcr.io/UPPER/x",
        "ghcr.io/a:bad tag",
        "ghcr.io/a@sha256:short",
        "ghcr.io/a@md5:" + "a" * 32,
        "ghcr.io/../../etc",
        "ghcr.io/a?x=1",
        "user:secret@ghcr.io/a",
        "https://ghcr.io/a",
        "ghcr.io/a:" + "x" * 200,
        "ghcr.io/a:",
        "ghcr.io:99999999/a",
    ],
)
def test_what_is_none_is_refused(text: str) -> None:
    with pytest.raises(AdapterError, match="no reference of an image") as caught:
        Reference.parse(text)
    assert (caught.value.reason, caught.value.passes) == ("SourceNotFound", False)
