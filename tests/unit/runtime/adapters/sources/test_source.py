"""Where a wanted adapter says it comes from."""

from pathlib import Path
from typing import Any

import pytest

from kaito.runtime.adapters.failure import AdapterError
from kaito.runtime.adapters.sources import HubRepository, LocalFolder, OciImage, Urls, source_of


@pytest.mark.parametrize(
    ("wanted", "source"),
    [
        ({"image": "ghcr.io/a/b:v1"}, OciImage("ghcr.io/a/b:v1")),
        ({"image": "a", "imagePullSecrets": ["x", "y"]}, OciImage("a", ("x", "y"))),
        ({"path": "/mnt/adapter/a"}, LocalFolder(Path("/mnt/adapter/a"))),
        ({"hub": "owner/repo"}, HubRepository("owner/repo", "main")),
        ({"hub": "owner/repo@v1.0"}, HubRepository("owner/repo", "v1.0")),
        ({"urls": ["https://x/a.tar"]}, Urls(("https://x/a.tar",))),
        ({"urls": ["https://huggingface.co/owner/repo"]}, HubRepository("owner/repo", "main")),
        ({"urls": ["https://huggingface.co/owner/repo/"]}, HubRepository("owner/repo", "main")),
        ({"urls": ["https://huggingface.co/owner/repo/tree/v1"]}, HubRepository("owner/repo", "v1")),
        ({"urls": ["https://hub.example/owner/repo"]}, HubRepository("owner/repo", "main")),
        (
            {"urls": ["https://huggingface.co/owner/repo/resolve/main/a.tar"]},
            Urls(("https://huggingface.co/owner/repo/resolve/main/a.tar",)),
        ),
        ({"urls": ["https://huggingface.co/datasets/x"]}, Urls(("https://huggingface.co/datasets/x",))),
        ({"urls": ["https://other.example/owner/repo"]}, Urls(("https://other.example/owner/repo",))),
    ],
)
def test_one_place_is_named(wanted: dict[str, Any], source: object) -> None:
    assert source_of({"name": "a", **wanted}, {"HF_ENDPOINT": "https://hub.example/"}) == source


@pytest.mark.parametrize("wanted", [{}, {"image": "a", "path": "/x"}, {"image": ""}, {"urls": []}])
def test_none_or_two_are_refused(wanted: dict[str, Any]) -> None:
    with pytest.raises(AdapterError, match="Exactly one of image, urls, hub and path"):
        source_of({"name": "a", **wanted})


@pytest.mark.parametrize("hub", ["repo", "a/b/c", "../x", "https://x/y", "a/b?c=d", "a/../b", "./b", "a/.."])
def test_what_is_no_repository_is_refused(hub: str) -> None:
    with pytest.raises(AdapterError) as caught:
        source_of({"name": "a", "hub": hub})
    assert (caught.value.reason, caught.value.passes) == ("SourceNotFound", False)
