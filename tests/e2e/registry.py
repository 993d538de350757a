"""A real registry on this machine, for tests: the CNCF's `distribution`, built once by hack/registry/build.

    from registry import RealRegistry

    def test_x(real_registry: RealRegistry) -> None:
        digest = real_registry.push(adapter_folder, "team/adapter:v1")
        image = f"{real_registry.host}/team/adapter:v1"  # 127.0.0.1:PORT/…: plain HTTP, as engines do it for 127.x

The fixture `real_registry` is one for the whole run. `RealRegistry.run(folder, protected=True)` asks for a name and a
password: `docker_config()` is a `.dockerconfigjson` that has them. Where no registry can be built (no Go, and none to
be had), tests that ask for one are skipped.
"""

import json
import subprocess
import time
import urllib.error
import urllib.request
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

USERNAME, PASSWORD = "kaito", "sesame-for-tests"

_BUILD = Path(__file__).resolve().parents[2] / "hack" / "registry" / "build"
_HTPASSWD = f"{USERNAME}:$2b$04$fJD6rEAROdptgQjHZGq9cucsfL.SXyi5yKacB078bROAslmSTClYG\n"
"""The password, as bcrypt has it: the registry takes nothing else."""


@dataclass
class RealRegistry:
    """One that runs. `host`: `127.0.0.1:PORT`, the first part of an image's reference."""

    host: str
    protected: bool
    log: Path

    @classmethod
    @contextmanager
    def run(cls, folder: Path, *, protected: bool = False, address: str = "127.0.0.1") -> Iterator["RealRegistry"]:
        """Yield a registry that keeps its images in `folder`, and end it. Skips the test where there is none."""
        program = _program()
        folder.mkdir(parents=True, exist_ok=True)
        log = folder / "registry.log"
        (folder / "htpasswd").write_text(_HTPASSWD)
        config = folder / "config.json"
        config.write_text(json.dumps(_config(folder, f"{address}:0", protected=protected)))
        with log.open("wb") as output:
            process = subprocess.Popen([program, "serve", str(config)], stdout=output, stderr=output)
        try:
            yield cls(f"{address}:{_port(process, log)}", protected, log)
        finally:
            process.terminate()
            process.wait(20)

    def push(self, adapter: Path, image: str, *, model: str = "phi-3-mini-4k-instruct") -> str:
        """Pack a folder of an adapter as KAITO's tuning does, push it as `repository:tag`, and return its digest."""
        import asyncio
        import tempfile

        from kaito.runtime.adapters.image import pack
        from kaito.runtime.adapters.push import push
        from kaito.runtime.adapters.sources.oci.credentials import Credential, Keys
        from kaito.runtime.adapters.sources.oci.reference import Reference

        keys = Keys((Credential(self.host, USERNAME, PASSWORD),) if self.protected else ())
        with tempfile.TemporaryDirectory() as layout:
            pack(adapter, Path(layout), model=model)
            return asyncio.run(push(Path(layout), Reference.parse(f"{self.host}/{image}"), keys))

    def docker_config(self) -> str:
        """Return the content of a pull secret for it."""
        auth = b64encode(f"{USERNAME}:{PASSWORD}".encode()).decode()
        return json.dumps({"auths": {self.host: {"auth": auth}}})


@cache
def _program() -> str:
    done = subprocess.run([_BUILD], capture_output=True, text=True, check=False, timeout=600)
    if done.returncode != 0:
        pytest.skip(f"no registry can be built here: {done.stderr.strip()[-300:]}")
    return done.stdout.strip()


def _config(folder: Path, address: str, *, protected: bool) -> dict[str, object]:
    access = {"htpasswd": {"realm": "kaito", "path": str(folder / "htpasswd")}}
    return {
        "version": 0.1,
        "log": {"level": "info", "accesslog": {"disabled": False}},
        "storage": {"filesystem": {"rootdirectory": str(folder / "images")}, "delete": {"enabled": True}},
        "http": {"addr": address},
        **({"auth": access} if protected else {}),
    }


def _port(process: subprocess.Popen[bytes], log: Path) -> int:
    """Return the port that the registry chose, once it answers."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        if process.poll() is not None:
            break
        for line in log.read_text(errors="replace").splitlines():
            _, found, rest = line.partition("listening on ")
            if found:
                return _answering(int(rest.split('"')[0].split(",")[0].rpartition(":")[2]))
        time.sleep(0.02)
    raise RuntimeError(f"the registry did not start: {log.read_text(errors='replace')[-2000:]}")


def _answering(port: int) -> int:
    try:
        urllib.request.urlopen(f"http://127.0.0.1:{port}/v2/", timeout=20).close()
    except urllib.error.HTTPError as error:
        error.close()  # a protected one refuses, and so it answers
    return port
