"""Which empty fields a Go server writes."""

import pytest

from kaito.apiserver.schema import empty_object, wire_form


@pytest.mark.parametrize(
    ("api_version", "kind", "expected"),
    [
        ("v1", "ConfigMap", {"metadata": {}}),
        ("v1", "Service", {"metadata": {}, "spec": {}, "status": {"loadBalancer": {}}}),
        (
            "apps/v1",
            "ReplicaSet",
            {
                "metadata": {},
                "spec": {"selector": None, "template": {"metadata": {}, "spec": {"containers": None}}},
                "status": {"replicas": 0},
            },
        ),
        ("coordination.k8s.io/v1", "Lease", {"metadata": {}, "spec": {}}),
        ("example.org/v1", "Unknown", {}),
    ],
)
def test_an_object_in_which_nothing_is_set(api_version, kind, expected):
    assert empty_object(api_version, kind) == expected


@pytest.mark.parametrize(
    ("name", "given", "expected"),
    [
        ("core.v1.EnvVar", {"name": "A", "value": ""}, {"name": "A"}),
        ("core.v1.Container", {"name": "c", "args": []}, {"name": "c", "resources": {}}),
        ("core.v1.ContainerState", {"running": {}}, {"running": {"startedAt": None}}),
        ("core.v1.Volume", {"name": "v", "emptyDir": {}}, {"name": "v", "emptyDir": {}}),
        (
            "core.v1.Volume",
            {"name": "v", "azureFile": {"shareName": "s"}},
            {"name": "v", "azureFile": {"shareName": "s"}},
        ),
        ("no.such.Type", {"a": ""}, {"a": ""}),
    ],
)
def test_a_struct_is_written_when_it_is_empty_and_an_empty_text_is_not(name, given, expected):
    assert wire_form(given, name) == expected
