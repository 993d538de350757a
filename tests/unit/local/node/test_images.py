import sys

import pytest

from kaito.core import KaitoError
from kaito.local.node.images import Images, resolve
from kaito.local.node.preparation import arguments

ENVIRONMENT = {"PATH": "/bin:/usr/bin", "WHO": "world"}


@pytest.mark.parametrize(
    ("image", "entrypoint"),
    [
        ("kaito-runtime:0.1.0", ("kaito-runtime",)),
        ("ghcr.io/example/kaito-runtime:0.1.0", ("kaito-runtime",)),
        ("localhost:5000/kaito-runtime@sha256:0123", ("kaito-runtime",)),
        ("curlimages/curl", ("curl",)),
        ("docker.io/curlimages/curl:8.5", ("curl",)),
        ("busybox:1.36", ("sh",)),
        ("python", (sys.executable,)),
    ],
)
def test_known_images_stand_for_programs_whatever_registry_and_tag(image: str, entrypoint: tuple[str, ...]) -> None:
    assert Images().program(image).entrypoint == entrypoint


def test_a_mapping_of_ones_own_wins() -> None:
    images = Images({"busybox": ("bash",), "registry.example/app": ("app", "--serve")})
    assert images.program("busybox:1").entrypoint == ("bash",)
    assert images.program("registry.example/app:2").entrypoint == ("app", "--serve")


def test_an_unknown_image_is_refused_with_the_known_ones_and_the_way_out() -> None:
    with pytest.raises(KaitoError) as failure:
        Images().program("example.org/team/app:1")
    assert failure.value.reason == "ErrImagePull"
    assert "curlimages/curl" in failure.value.message
    assert "--image example.org/team/app=PROGRAM" in failure.value.remedy


def test_programs_are_found_on_the_path_or_by_their_own() -> None:
    assert resolve(["sh"], "/bin:/usr/bin", None) in ("/bin/sh", "/usr/bin/sh")
    assert resolve([sys.executable], "", None) == sys.executable
    assert resolve(["no-such-program"], "/bin", None) is None
    assert resolve(["/no/such"], "/bin", None) is None


@pytest.mark.parametrize(
    ("image", "container", "executed"),
    [
        ("curlimages/curl", {"args": ["-s", "http://a"]}, ["curl", "-s", "http://a"]),
        ("curlimages/curl", {"args": ["http://a"]}, ["curl", "http://a"]),
        ("curlimages/curl", {"args": ["sh", "-c", "true"]}, ["sh", "-c", "true"]),
        ("curlimages/curl", {}, ["curl"]),
        ("busybox", {"args": ["sh"]}, ["sh"]),
        ("busybox", {"args": ["-c", "echo $(WHO)"]}, ["sh", "-c", "echo world"]),
        ("busybox", {"args": ["no-such-program"]}, ["sh", "no-such-program"]),
        ("busybox", {"command": ["echo"], "args": ["sh"]}, ["echo", "sh"]),
        ("kaito-runtime", {"args": ["sh"]}, ["kaito-runtime", "sh"]),
        ("mine", {"args": ["sh"]}, ["app", "sh"]),
    ],
)
def test_arguments_that_begin_with_a_program_replace_the_command_of_an_everyday_image(
    image: str, container: dict[str, list[str]], executed: list[str]
) -> None:
    program = Images({"mine": ("app",)}).program(image)
    assert arguments(container, program, ENVIRONMENT) == executed
