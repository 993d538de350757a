"""The admission webhook, as a user meets it: what it says, and what goes on without it."""

import base64
import json
import os
import signal
import time
from collections.abc import Iterator
from typing import Any

import pytest
from cluster import Cluster
from cryptography import x509
from killing import CONTROLLER, kill_and_wait, pids

UNFILLED = """\
apiVersion: kaito.sh/v1beta1
kind: Workspace
metadata: {name: admitted, finalizers: [example.org/held, example.org/too]}
resource:
  instanceType: Standard_NC6s_v3
  labelSelector: {matchLabels: {apps: admitted}}
inference:
  preset: {name: phi-3-mini-4k-instruct}
  adapters: [{source: {name: left-in, image: "ACR_REPO_HERE.azurecr.io/adapter:0.0.1"}}]
"""
"""Accepted with a warning; nothing is bought for it while a placeholder is left in."""
WRONG = UNFILLED.replace("-4k-instruct", "-4k-instrct").replace("admitted", "wrong")
SECRET = ("secret", "kaito-webhook-certificate", "-n", "kaito-system")
HOOKS = ("validatingwebhookconfiguration", "mutatingwebhookconfiguration")


@pytest.fixture
def admitted(cluster: Cluster) -> Iterator[str]:
    """A Workspace that the webhook let pass; returns what kubectl said."""
    yield cluster.apply(UNFILLED)
    release = '{"metadata": {"finalizers": null}}'
    cluster.kubectl("patch", "workspace", "admitted", "--type=merge", "-p", release, check=False)
    cluster.kubectl("delete", "workspace", "admitted", "--ignore-not-found", "--timeout=60s")


def certificate(cluster: Cluster) -> x509.Certificate:
    secret = cluster.object(*SECRET)
    assert secret is not None
    return x509.load_pem_x509_certificate(base64.b64decode(secret["data"]["tls.crt"]))


def bundles(cluster: Cluster) -> set[str]:
    found = [cluster.object(kind, "kaito-webhook") for kind in HOOKS]
    return {hook["clientConfig"].get("caBundle", "") for one in found if one for hook in one["webhooks"]}


def test_a_wrong_name_is_refused_with_the_field_and_the_closest(cluster: Cluster) -> None:
    said = cluster.refused("create", manifest=WRONG)
    assert said.startswith("Warning: "), "what is left to fill in"
    assert 'The Workspace "wrong" is invalid: inference.preset.name: ' in said
    assert "phi-3-mini-4k-instruct" in said
    assert cluster.object("workspace", "wrong") is None


def test_what_is_left_to_fill_in_is_a_warning_and_a_default_is_written_down(cluster: Cluster, admitted: str) -> None:
    assert "Warning: " in admitted
    assert "ACR_REPO_HERE" in admitted
    workspace = cluster.object("workspace", "admitted")
    assert workspace is not None
    assert workspace["inference"]["adapters"][0]["strength"] == "1.0"


def test_an_edit_that_makes_nothing_wrong_passes_whatever_was(cluster: Cluster, admitted: str) -> None:
    strength = '[{"op": "replace", "path": "/inference/adapters/0/strength", "value": "0.5"}]'
    said = cluster.kubectl("patch", "workspace", "admitted", "--type=json", "-p", strength)
    assert "patched" in said


@pytest.fixture
def stopped(cluster: Cluster, admitted: str) -> Iterator[None]:
    """The controller hangs: it neither answers nor ends."""
    stopped = pids(cluster, CONTROLLER)
    for pid in stopped:
        os.kill(pid, signal.SIGSTOP)
    yield
    for pid in stopped:
        os.kill(pid, signal.SIGCONT)


def test_while_it_hangs_metadata_status_finalizers_and_deletion_go_on_and_a_new_spec_waits(
    cluster: Cluster, stopped: None
) -> None:
    began = time.monotonic()
    said = cluster.refused("create", manifest=WRONG)
    assert 'failed calling webhook "validation.workspace.kaito.sh"' in said
    assert time.monotonic() - began < 15, "two time-outs of 2 and 5 s"
    cluster.kubectl("label", "workspace", "admitted", "team=a")
    status = '{"status": {"phase": "Accepted"}}'
    cluster.kubectl("patch", "workspace", "admitted", "--subresource=status", "--type=merge", "-p", status)
    cluster.kubectl("delete", "workspace", "admitted", "--wait=false")
    free = '{"metadata": {"finalizers": ["example.org/held"]}}'
    cluster.kubectl("patch", "workspace", "admitted", "--type=merge", "-p", free)
    cluster.kubectl("patch", "workspace", "admitted", "--type=merge", "-p", '{"metadata": {"finalizers": null}}')
    assert cluster.object("workspace", "admitted") is None


def test_killed_it_is_back_with_the_certificate_that_it_had(cluster: Cluster) -> None:
    before = certificate(cluster)
    kill_and_wait(cluster, CONTROLLER)

    def refused() -> str:
        said = cluster.refused("create", manifest=WRONG)
        return said if "inference.preset.name" in said else ""

    cluster.until("a refusal by the rules", refused, timeout=60)
    assert certificate(cluster).issuer == before.issuer or certificate(cluster).not_valid_after_utc > (
        before.not_valid_after_utc
    ), "as it was, or rotated since"


def test_a_certificate_that_somebody_broke_is_mended_with_an_event(cluster: Cluster) -> None:
    cluster.kubectl("patch", *SECRET, "--type=merge", "-p", '{"data": {"tls.key": "bm9uZQ=="}}')

    def mended() -> bool:
        secret = cluster.object(*SECRET)
        return secret is not None and secret["data"]["tls.key"] != "bm9uZQ=="

    cluster.until("the key is there again", mended, timeout=60)
    about = ("events", "-n", "kaito-system", "--field-selector", "involvedObject.name=kaito-webhook-certificate")
    events: list[Any] = cluster.until("an event", lambda: _items(cluster, *about), timeout=30)
    assert "CertificateRenewed" in {event["reason"] for event in events}


def test_the_private_key_is_in_no_log(cluster: Cluster) -> None:
    secret = cluster.object(*SECRET)
    assert secret is not None
    key = secret["data"]["tls.key"]
    body = base64.b64decode(key).decode().splitlines()[1]
    for log in (cluster.directory / "logs").iterdir():
        text = log.read_text(errors="replace")
        assert key not in text, log.name
        assert body not in text, log.name


def test_a_certificate_is_replaced_while_it_is_used_and_no_request_fails(cluster: Cluster) -> None:
    """The run gives certificates two minutes (`conftest.py`): one is replaced after at most 80 s and the overlap."""
    first = certificate(cluster).serial_number
    asked = 0
    deadline = time.monotonic() + 150
    while certificate(cluster).serial_number == first:
        assert time.monotonic() < deadline, "it is not replaced"
        said = cluster.refused("create", "--dry-run=server", manifest=WRONG)
        assert "inference.preset.name" in said
        asked += 1
    for _ in range(10):
        assert "inference.preset.name" in cluster.refused("create", "--dry-run=server", manifest=WRONG)
    assert asked
    (bundle,) = bundles(cluster)
    authorities = x509.load_pem_x509_certificates(base64.b64decode(bundle))
    assert certificate(cluster).issuer in {one.subject for one in authorities}


def _items(cluster: Cluster, *arguments: str) -> list[Any]:
    found: list[Any] = json.loads(cluster.kubectl("get", *arguments, "-o", "json"))["items"]
    return found
