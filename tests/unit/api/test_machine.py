"""The Machine model against the shapes that Karpenter v1alpha5 clients write."""

from kaito.api.machine import INSTANCE_TYPE_LABEL, LAUNCHED, MACHINE, MACHINE_RESOURCE, Machine

WRITTEN_BY_KAITO = {
    "apiVersion": "karpenter.sh/v1alpha5",
    "kind": "Machine",
    "metadata": {"name": "ws0123456789", "labels": {"karpenter.sh/provisioner-name": "default"}},
    "spec": {
        "machineTemplateRef": {"name": "ws0123456789"},
        "requirements": [
            {"key": INSTANCE_TYPE_LABEL, "operator": "In", "values": ["Standard_NC6s_v3"]},
            {"key": "kubernetes.io/os", "operator": "In", "values": ["linux"]},
        ],
        "taints": [{"key": "sku", "value": "gpu", "effect": "NoSchedule"}],
        "resources": {"requests": {"storage": "80Gi", "nvidia.com/gpu": 1}},
        "kubelet": {"maxPods": 30, "evictionHard": {"memory.available": "1Gi"}},
    },
    "status": {
        "providerID": "local:///ws0123456789",
        "conditions": [{"type": "MachineLaunched", "status": "True", "severity": "", "reason": "MachineLaunched"}],
    },
}


def test_a_machine_as_kaito_writes_it_is_read_and_written_back_unchanged() -> None:
    written = Machine.model_validate(WRITTEN_BY_KAITO).model_dump(mode="json", by_alias=True, exclude_unset=True)
    expected = {**WRITTEN_BY_KAITO, "spec": {**WRITTEN_BY_KAITO["spec"]}}  # type: ignore[dict-item]
    expected["spec"]["resources"] = {"requests": {"storage": "80Gi", "nvidia.com/gpu": "1"}}
    assert written == expected


def test_required_values_come_from_in_requirements_only() -> None:
    machine = Machine.model_validate(
        {"spec": {"requirements": [{"key": "zone", "operator": "NotIn", "values": ["1"]}]}},
    )
    assert machine.required("zone") == ()
    assert Machine.model_validate(WRITTEN_BY_KAITO).required(INSTANCE_TYPE_LABEL) == ("Standard_NC6s_v3",)


def test_conditions_are_found_by_type() -> None:
    machine = Machine.model_validate(WRITTEN_BY_KAITO)
    assert machine.is_true(LAUNCHED)
    assert machine.condition("Ready") is None
    assert not Machine().is_true(LAUNCHED)


def test_the_kind_is_cluster_scoped_and_has_karpenters_columns() -> None:
    assert MACHINE.namespaced is False
    assert (MACHINE.api_version, MACHINE.plural) == ("karpenter.sh/v1alpha5", "machines")
    assert [(column.name, column.priority) for column in MACHINE_RESOURCE.columns] == [
        ("Type", 0),
        ("Zone", 0),
        ("Node", 0),
        ("Ready", 0),
        ("Age", 0),
        ("Capacity", 1),
        ("Provisioner", 1),
        ("Template", 1),
    ]
