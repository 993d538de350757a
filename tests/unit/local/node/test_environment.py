import base64
from typing import Any

import pytest

from kaito.core import KaitoError
from kaito.local.node.environment import Sources, container_environment, expand, field_value, host_environment
from kaito.local.node.images import OWN_PROGRAMS

CONFIG = {"data": {"key": "value", "other": "$(KEY)"}}
SECRET = {"data": {"token": base64.b64encode(b"s3cret").decode()}}
POD: dict[str, Any] = {
    "metadata": {
        "name": "p",
        "namespace": "d",
        "uid": "u",
        "labels": {"app": "x"},
        "annotations": {"note": 'say "hi"'},
    },
    "spec": {"nodeName": "n", "containers": [{"name": "main"}]},
}
SOURCES = Sources(
    POD, "127.1.0.2", "127.1.0.1", {"config": CONFIG}.get, {"secret": SECRET}.get, {"cpu": "2", "memory": "1Gi"}
)
HOST = {"PATH": "/usr/bin", "HOME": "/home/me"}


def environment(*env: dict[str, Any], env_from: Any = (), own: bool = False, **container: Any) -> dict[str, str]:
    body = {"name": "main", "env": list(env), "envFrom": list(env_from), **container}
    return container_environment(body, SOURCES, HOST, own=own)


def value_of(source: dict[str, Any], **container: Any) -> str | None:
    return environment({"name": "X", "valueFrom": source}, **container).get("X")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("$(A)", "1"),
        ("x$(A)y$(B)", "x1y2"),
        ("$$(A)", "$(A)"),
        ("$(MISSING)", "$(MISSING)"),
        ("$A", "$A"),
        ("$", "$"),
        ("$$", "$"),
    ],
)
def test_variables_are_expanded_as_kubernetes_has_it(text: str, expected: str) -> None:
    assert expand(text, {"A": "1", "B": "2"}) == expected


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ({"configMapKeyRef": {"name": "config", "key": "key"}}, "value"),
        ({"configMapKeyRef": {"name": "config", "key": "no", "optional": True}}, None),
        ({"configMapKeyRef": {"name": "no", "key": "no", "optional": True}}, None),
        ({"secretKeyRef": {"name": "secret", "key": "token"}}, "s3cret"),
        ({"fieldRef": {"fieldPath": "status.podIP"}}, "127.1.0.2"),
        ({"fieldRef": {"fieldPath": "metadata.labels['app']"}}, "x"),
        ({"fieldRef": {"fieldPath": "spec.nodeName"}}, "n"),
        ({"resourceFieldRef": {"resource": "limits.cpu"}}, "2"),
        ({"resourceFieldRef": {"resource": "limits.memory", "divisor": "1Mi"}}, "1024"),
    ],
)
def test_values_come_from_where_they_are_said_to(source: Any, expected: str | None) -> None:
    assert value_of(source) == expected


def test_a_containers_own_limit_counts_in_units_of_the_divisor_rounded_up() -> None:
    resources = {"limits": {"cpu": "1500m"}}
    assert value_of({"resourceFieldRef": {"resource": "limits.cpu"}}, resources=resources) == "2"
    assert value_of({"resourceFieldRef": {"resource": "requests.cpu", "divisor": "1m"}}, resources=resources) == "1500"


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ({"secretKeyRef": {"name": "no", "key": "k"}}, 'secret "no" not found'),
        ({"secretKeyRef": {"name": "secret", "key": "no"}}, "couldn't find key no in Secret d/secret"),
        ({"configMapKeyRef": {"name": "config", "key": "no"}}, "couldn't find key no in ConfigMap d/config"),
        ({"fieldRef": {"fieldPath": "spec.volumes"}}, "unsupported fieldPath: spec.volumes"),
    ],
)
def test_what_is_missing_is_named(source: Any, message: str) -> None:
    with pytest.raises(KaitoError, match="CreateContainerConfigError") as failure:
        value_of(source)
    assert message in failure.value.message


def test_env_wins_over_env_from_and_sees_what_came_before() -> None:
    found = environment(
        {"name": "key", "value": "mine"},
        {"name": "BOTH", "value": "$(key) $(P_token)"},
        env_from=[{"configMapRef": {"name": "config"}}, {"prefix": "P_", "secretRef": {"name": "secret"}}],
    )
    assert (found["key"], found["BOTH"], found["P_token"]) == ("mine", "mine s3cret", "s3cret")


def test_every_container_gets_its_address_and_host_name() -> None:
    found = environment()
    assert (found["KAITO_BIND_HOST"], found["HOSTNAME"], found["HOME"]) == ("127.1.0.2", "p", "/home/me")


def test_our_own_images_find_our_programs_first_even_with_a_path_of_their_own() -> None:
    assert environment({"name": "PATH", "value": "/opt/bin"}, own=True)["PATH"].split(":")[0] == OWN_PROGRAMS
    assert environment({"name": "PATH", "value": "/opt/bin"})["PATH"] == "/opt/bin"


def test_of_the_hosts_environment_only_what_programs_need_is_passed_on() -> None:
    host = host_environment(
        {"PATH": "/bin", "HOME": "/h", "KUBECONFIG": "x", "HF_TOKEN": "x", "CUDA_HOME": "/c", "MINE": "m"},
        extra=["MINE"],
    )
    assert set(host) == {"PATH", "HOME", "CUDA_HOME", "MINE"}
    assert host["PATH"] == f"{OWN_PROGRAMS}:/bin"


def test_annotations_as_a_file_are_quoted_and_sorted() -> None:
    assert field_value("metadata.annotations", SOURCES) == 'note="say \\"hi\\""'
