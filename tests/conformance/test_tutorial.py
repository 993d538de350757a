"""The operator of the tutorial as a process of its own, on this server."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from asking import Api

TUTORIAL = Path(__file__).parents[2] / "docs" / "core" / "tutorial.md"
CRDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """The files of the page, in a folder."""
    blocks = re.findall(r"^```(?:python|yaml) (\S+)\n(.*?)^```$", TUTORIAL.read_text(), re.MULTILINE | re.DOTALL)
    for name, text in blocks:
        (tmp_path / name).write_text(text)
    return tmp_path


@pytest.fixture
def greetings(api: Api, files: Path, namespace: str) -> Iterator[str]:
    """The kind is served while the test runs."""
    assert api.post(CRDS, yaml.safe_load((files / "greetings.yaml").read_text())).code == 201
    path = f"/apis/example.com/v1/namespaces/{namespace}/greetings"
    api.until(lambda: api.get(path).code, lambda code: code == 200)
    yield path
    api.delete(f"{CRDS}/greetings.example.com")
    api.until(lambda: api.get(f"{CRDS}/greetings.example.com").code, lambda code: code == 404)


@pytest.fixture
def operator(files: Path, kubeconfig: Path, greetings: str) -> Iterator[subprocess.Popen[bytes]]:
    environment = {**os.environ, "KUBECONFIG": str(kubeconfig)}
    process = subprocess.Popen([sys.executable, "greeter.py"], cwd=files, env=environment)
    yield process
    process.kill()
    process.wait()


def text(note: Any) -> str:
    return str((note.body.get("data") or {}).get("text", ""))


def test_the_operator_of_the_tutorial_does_what_its_page_says(
    api: Api, greetings: str, config_maps: str, operator: subprocess.Popen[bytes]
) -> None:
    note = f"{config_maps}/anna"
    anna = {"apiVersion": "example.com/v1", "kind": "Greeting", "metadata": {"name": "anna"}, "spec": {"name": "Anna"}}
    assert api.post(greetings, anna).code == 201
    api.until(lambda: text(api.get(note)), lambda found: found == "Hello, Anna!")
    api.until(lambda: api.get(f"{greetings}/anna").body.get("status"), lambda status: status == {"phase": "Greeted"})

    api.patch(f"{greetings}/anna", {"spec": {"language": "fr"}})
    api.until(lambda: text(api.get(note)), lambda found: found == "Bonjour, Anna!")
    api.patch(note, {"data": {"text": "Go away!"}})
    api.until(lambda: text(api.get(note)), lambda found: found == "Bonjour, Anna!")
    api.delete(note)
    api.until(lambda: text(api.get(note)), lambda found: found == "Bonjour, Anna!")

    api.patch(f"{greetings}/anna", {"spec": {"language": "tlh"}})
    api.delete(f"{greetings}/anna")
    api.until(lambda: api.get(note).code, lambda code: code == 404)

    operator.send_signal(signal.SIGTERM)
    assert operator.wait(60) == 0
