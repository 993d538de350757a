"""Kubeconfigs are read as kubectl reads them."""

import base64
import importlib.util
import os
from pathlib import Path

import pytest
import yaml

from kaito.core import KaitoError, load_connection
from kaito.core.client import in_cluster


def config(tmp_path: Path, *, user=None, cluster=None, context=None, current="c", name="config") -> Path:
    path = tmp_path / name
    path.write_text(
        yaml.safe_dump(
            {
                "current-context": current,
                "contexts": [{"name": "c", "context": {"cluster": "k", "user": "u", **(context or {})}}],
                "clusters": [{"name": "k", "cluster": {"server": "https://host:6443/", **(cluster or {})}}],
                "users": [{"name": "u", "user": user or {}}],
            }
        )
    )
    return path


def encoded(data: bytes) -> str:
    return base64.b64encode(data).decode()


def test_server_namespace_and_data_are_read(tmp_path):
    path = config(
        tmp_path,
        user={"token": "t", "client-certificate-data": encoded(b"C"), "client-key-data": encoded(b"K")},
        cluster={"certificate-authority-data": encoded(b"CA"), "tls-server-name": "api"},
        context={"namespace": "ns"},
    )
    settings = load_connection(str(path))
    assert (settings.server, settings.namespace, settings.token) == ("https://host:6443", "ns", "t")
    assert (settings.ca_data, settings.client_certificate_data, settings.client_key_data) == (b"CA", b"C", b"K")
    assert settings.tls_server_name == "api"


def test_secrets_do_not_show_in_its_text(tmp_path):
    path = config(tmp_path, user={"token": "s3cret", "client-key-data": encoded(b"k3y")})
    assert "s3cret" not in repr(load_connection(str(path)))
    assert "k3y" not in repr(load_connection(str(path)))


def test_relative_files_are_relative_to_the_kubeconfig(tmp_path):
    path = config(tmp_path, user={"tokenFile": "tok"}, cluster={"certificate-authority": "pki/ca.crt"})
    settings = load_connection(str(path))
    assert settings.token_file == tmp_path / "tok"
    assert settings.ca_file == tmp_path / "pki" / "ca.crt"


def test_the_environment_names_several_files_and_the_first_wins(tmp_path, monkeypatch):
    first = config(tmp_path, user={"token": "1"}, name="first")
    second = config(tmp_path, user={"token": "2"}, name="second")
    monkeypatch.setenv("KUBECONFIG", os.pathsep.join([str(tmp_path / "absent"), str(first), str(second)]))
    assert load_connection().token == "1"


def test_another_context_can_be_chosen(tmp_path):
    with pytest.raises(KaitoError) as caught:
        load_connection(str(config(tmp_path)), context="other")
    assert caught.value.reason == "KubeconfigInvalid"
    assert "'other'" in caught.value.message


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (None, "KubeconfigNotFound"),
        ("", "KubeconfigNotFound"),
        ("{", "KubeconfigInvalid"),
        ("a: 1", "KubeconfigInvalid"),
    ],
)
def test_a_bad_file_is_named_with_a_remedy(tmp_path, text, reason):
    path = tmp_path / "config"
    if text is not None:
        path.write_text(text)
    with pytest.raises(KaitoError) as caught:
        load_connection(str(path))
    assert caught.value.reason == reason
    assert str(path) in caught.value.message
    assert caught.value.remedy


def test_nothing_anywhere_says_where_it_looked(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("KUBECONFIG", raising=False)
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    with pytest.raises(KaitoError, match="KubeconfigNotFound"):
        load_connection()


def test_a_pod_uses_its_service_account(tmp_path, monkeypatch):
    (tmp_path / "namespace").write_text("ns\n")
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "fd00::1")
    monkeypatch.setenv("KUBERNETES_SERVICE_PORT", "443")
    settings = in_cluster(tmp_path)
    assert settings.server == "https://[fd00::1]:443"
    assert settings.namespace == "ns"
    assert settings.token_file == tmp_path / "token"


def test_a_plugin_user_without_the_library_is_one_clear_error(tmp_path, monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda _name: None)
    with pytest.raises(KaitoError) as caught:
        load_connection(str(config(tmp_path, user={"exec": {"command": "x"}})))
    assert caught.value.reason == "AuthProviderMissing"
    assert "kaito[auth]" in caught.value.remedy
