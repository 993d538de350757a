"""Which adapters go to running servers, and how."""

import json

import pytest
import yaml

from kaito.contracts import adapter_set_digest
from kaito.controllers.workspace.wanted import pull_secrets, source_text, wanted_set

HEAD = """
metadata: {name: phi, namespace: team}
resource: {instanceType: Standard_NC6s_v3, labelSelector: {matchLabels: {apps: phi-3}}}
inference:
  preset: {name: phi-3-mini-4k-instruct}
  adapters: """

SOURCES = {
    "an image": ("{image: 'reg.example.org/x:1'}", {"image": "reg.example.org/x:1"}, "reg.example.org/x:1"),
    "an image with a secret": (
        "{image: 'reg.example.org/x:1', imagePullSecrets: [a, b]}",
        {"image": "reg.example.org/x:1", "imagePullSecrets": ["a", "b"]},
        "reg.example.org/x:1",
    ),
    "files": (
        "{urls: ['https://example.org/a?sig=x', 'https://example.org/b']}",
        {"urls": ["https://example.org/a?sig=x", "https://example.org/b"]},
        "https://example.org/a and 1 more",
    ),
    "a hub repository": ("{urls: ['https://huggingface.co/o/r']}", {"hub": "o/r"}, "o/r"),
    "a revision of one": ("{urls: ['https://huggingface.co/o/r/tree/v1/']}", {"hub": "o/r@v1"}, "o/r@v1"),
    "a file of one": (
        "{urls: ['https://huggingface.co/o/r/resolve/main/a.tar']}",
        {"urls": ["https://huggingface.co/o/r/resolve/main/a.tar"]},
        "https://huggingface.co/o/r/resolve/main/a.tar",
    ),
    "a host of nearly that name": (
        "{urls: ['https://huggingface.co.example.org/o/r']}",
        {"urls": ["https://huggingface.co.example.org/o/r"]},
        "https://huggingface.co.example.org/o/r",
    ),
}


def with_adapters(a, *adapters, **changes):
    return a.workspace(HEAD + json.dumps([yaml.safe_load(one) for one in adapters]), **changes)


@pytest.mark.parametrize("case", SOURCES)
def test_each_source_goes_to_the_servers_in_its_own_form(a, case):
    source, wanted, text = SOURCES[case]
    workspace = with_adapters(a, f"{{source: {{name: x, {source[1:-1]}}}, strength: '0.5'}}")
    assert wanted_set(workspace)["adapters"] == [{"name": "x", **wanted, "strength": "0.5"}]
    assert source_text(workspace.inference.adapters[0].source) == text


VOLUME = "{source: {name: x, volumeSource: {hostPath: {path: /x}}}, strength: STRENGTH}"


@pytest.mark.parametrize(("strength", "goes"), [("null", False), ("'1.0'", False), ("'0.5'", True), ("'0'", True)])
def test_a_volume_goes_to_the_servers_only_for_its_strength(a, strength, goes):
    adapters = wanted_set(with_adapters(a, VOLUME.replace("STRENGTH", strength)))["adapters"]
    assert [one["path"] for one in adapters] == (["/mnt/adapter/x"] if goes else [])


def test_the_set_carries_the_generation_and_its_digest_does_not(a):
    one = wanted_set(with_adapters(a, "{source: {name: x, image: 'reg.example.org/x:1'}}"))
    assert (one["contractVersion"], one["generation"]) == (1, 1)
    assert adapter_set_digest(one) == adapter_set_digest({**one, "generation": 2})


def test_pull_secrets_are_those_of_images_each_once(a):
    image = "{source: {name: NAME, image: 'reg.example.org/x:1', imagePullSecrets: SECRETS}}"
    adapters = [
        image.replace("NAME", "x").replace("SECRETS", "[b, a]"),
        image.replace("NAME", "y").replace("SECRETS", "[a]"),
        "{source: {name: z, urls: ['https://example.org/z'], imagePullSecrets: [unused]}}",
    ]
    assert pull_secrets(with_adapters(a, *adapters)) == ("a", "b")
