"""What only kaito's own rules know: the registry of presets, the catalogue of sizes, addresses, what has no effect."""

from typing import Any, Final

from bad_workspaces.row import Judged

_SELECTOR = "resource.labelSelector"
_LABELS = f"{_SELECTOR}.matchLabels"
_URL = "tuning.input.urls[0]"
_PRESET = "inference.preset.name"
_SIZE = "resource.instanceType"
_SECRET = "inference.preset.presetOptions.modelAccessSecret"
_VOLUME = "inference.adapters[1].source.volumeSource"


def _typos(field: str, reason: str, **names: str) -> list[Judged]:
    """One row per meant name: what was written instead of it."""
    return [
        Judged(f"{field}: {wrong or 'nothing'}", "inference", {field: wrong}, field, reason, right.replace("__", "."))
        for right, wrong in names.items()
    ]


def _of(good: str, field: str, reason: str, says: str, *, refused: bool = True, **values: Any) -> list[Judged]:
    return [
        Judged(f"{field}: {case.replace('_', ' ')}", good, {field: value}, field, reason, says, refused)
        for case, value in values.items()
    ]


def _label(case: str, key: str, value: str, says: str, *, refused: bool = True) -> Judged:
    return Judged(case, "inference", {f"{_LABELS}[{key}]": value}, f"{_LABELS}[{key}]", "LabelReserved", says, refused)


PRESETS: Final = [
    *_typos(
        _PRESET,
        "UnknownPreset",
        **{
            "phi-3-mini-4k-instruct": "phi-3-mini-4k-instrct",
            "phi-3-mini-128k-instruct": "phi3-mini-128k-instruct",
            "llama-3__1-8b-instruct": "llama-3-8b-instruct",
            "mistral-7b-instruct": "mistral-7b-instruct-v9",
            "falcon-7b-instruct": "falcon7b-instruct",
            "falcon-7b": "falcon-7",
        },
    ),
    *_of("inference", _PRESET, "UnknownPreset", "The closest are", none_of_ours="gpt-4", a_word="none", a_letter="x"),
    *_of("inference", _PRESET, "UnknownPreset", "The closest are", refused=False, one_of_the_hub="example/model"),
    *_of("tuning", "tuning.preset.name", "UnknownPreset", "phi-3-mini-4k-instruct", a_typo="phi-3-mini-4k"),
    Judged(
        "a gated model without a token",
        "inference",
        {_PRESET: "llama-3.1-8b-instruct"},
        _SECRET,
        "ModelAccessRequired",
        "HF_TOKEN",
    ),
    Judged(
        "a gated model by its alias",
        "inference",
        {_PRESET: "meta-llama/Llama-3.1-8B-Instruct"},
        _SECRET,
        "ModelAccessRequired",
        "Accept the licence at https://huggingface.co/meta-llama/Llama-3.1-8B-Instruct",
    ),
    Judged(
        "a gated model with other options",
        "inference",
        {_PRESET: "llama-3.1-8b-instruct", "inference.preset.presetOptions": {"imagePullSecrets": ["s"]}},
        _SECRET,
        "ModelAccessRequired",
        "name the Secret there",
    ),
    Judged(
        "adapters on a model that takes none",
        "adapters",
        {_PRESET: "falcon-7b"},
        "inference.adapters",
        "AdaptersNotSupported",
        "Remove the adapters",
    ),
    Judged(
        "a Workspace called as its preset, by an alias",
        "inference",
        {"metadata.name": "phi-3-mini-4k-instruct", _PRESET: "microsoft/Phi-3-mini-4k-instruct"},
        "metadata.name",
        "ModelNamesClash",
        "another name",
    ),
    Judged(
        "an adapter called as the preset, by an alias",
        "adapters",
        {"inference.adapters[0].source.name": "phi-3-mini-4k-instruct", _PRESET: "microsoft/Phi-3-mini-4k-instruct"},
        "inference.adapters[0].source.name",
        "ModelNamesClash",
        "another name",
    ),
]

SIZES: Final = [
    *_typos(
        _SIZE,
        "UnknownSKU",
        Standard_NC24ads_A100_v4="Standard_NC24ads_A100",
        Standard_NC6s_v3="Standard_NC6_v3",
        Standard_NC48ads_A100_v4="Standard_NC48ads_A100_v44",
        Standard_NC96ads_A100_v4="NC96ads_A100_v4",
        Standard_ND96isr_H100_v5="Standard_ND96isr_H100_v4",
        Standard_NC40ads_H100_v5="standard-nc40ads-h100-v5",
        Standard_NV36ads_A10_v5="Standard_NV36ads_A10",
    ),
    *_of(
        "inference",
        _SIZE,
        "UnknownSKU",
        "The closest are",
        of_no_GPU="Standard_D4s_v3",
        empty="",
        of_AWS="p4d.24xlarge",
    ),
    *_of("tuning", _SIZE, "UnknownSKU", "The closest are", of_no_GPU="Standard_B1s"),
    *_of(
        "inference",
        _SIZE,
        "PresetDoesNotFit",
        "Sizes that fit",
        too_small="Standard_NV6ads_A10_v5",
        half="Standard_NV12ads_A10_v5",
    ),
    *_of(
        "inference",
        _SIZE,
        "SKURetired",
        "successor",
        refused=False,
        retired="Standard_NC6s_v3",
        two="Standard_NC12s_v3",
    ),
    Judged(
        "a context that does not fit",
        "inference",
        {_PRESET: "phi-3-mini-128k-instruct", _SIZE: "Standard_NC4as_T4_v3"},
        _SIZE,
        "ContextShortened",
        "131072",
        refused=False,
    ),
]

LABELS: Final = [
    _label(
        "a size that is not that of the nodes",
        "node.kubernetes.io/instance-type",
        "Standard_NC6s_v3",
        "or give it that value",
    ),
    _label("another operating system", "kubernetes.io/os", "windows", "or give it that value"),
    _label("another architecture", "kubernetes.io/arch", "arm64", "or give it that value"),
    _label("another provisioner", "karpenter.sh/provisioner-name", "other", "or give it that value"),
    _label("another type of machine", "kaito.sh/machine-type", "cpu", "or give it that value"),
    _label("a host name", "kubernetes.io/hostname", "node-1", "a label of your own"),
    _label("a zone", "topology.kubernetes.io/zone", "1", "a label of your own"),
    _label("a region", "topology.kubernetes.io/region", "westeurope", "a label of your own"),
    _label("a zone by its old name", "failure-domain.beta.kubernetes.io/zone", "1", "a label of your own"),
    _label("a GPU's name", "nvidia.com/gpu.product", "A100", "a label of your own"),
    _label("a node pool", "karpenter.sh/nodepool", "mine", "a label of your own"),
    _label("somebody else's Workspace", "kaito.sh/workspace", "other", "Remove it", refused=False),
    _label("somebody else's namespace", "kaito.sh/workspacenamespace", "other", "Remove it", refused=False),
    Judged(
        "a label that is two things",
        "inference",
        {f"{_SELECTOR}.matchExpressions": [{"key": "apps", "operator": "In", "values": ["other"]}]},
        f"{_SELECTOR}.matchExpressions[0]",
        "SelectorNotSupported",
        "one value",
    ),
    Judged(
        "two expressions about one label",
        "inference",
        {
            _SELECTOR: {
                "matchExpressions": [
                    {"key": "apps", "operator": "In", "values": ["one"]},
                    {"key": "apps", "operator": "In", "values": ["two"]},
                ]
            }
        },
        f"{_SELECTOR}.matchExpressions[0]",
        "SelectorNotSupported",
        "one value",
    ),
]

SOURCES: Final = [
    *_of(
        "tuning",
        _URL,
        "SourceNotAllowed",
        "public http or https URL",
        the_machine="http://localhost/data",
        the_machine_below="http://data.localhost/data",
        the_machine_in_capitals="http://LOCALHOST/data",
        the_machine_with_a_dot="http://localhost./data",
        loopback="http://127.0.0.1:5001/v1/status",
        loopback_in_short="http://127.1/data",
        loopback_as_a_number="http://2130706433/data",
        loopback_in_hexadecimal="http://0x7f000001/data",
        loopback_in_octal="http://0177.0.0.1/data",
        everywhere="http://0.0.0.0/data",
        credentials_of_the_machine="http://169.254.169.254/metadata/identity",
        credentials_of_Google="http://metadata.google.internal/computeMetadata",
        credentials_of_Amazon="http://instance-data.ec2.internal/latest",
        a_private_network="http://10.0.0.1/data",
        another_private_network="https://192.168.1.1/data",
        a_third="https://172.16.0.1/data",
        a_Service_address="http://100.64.0.1/data",
        an_odd_port="https://example.org:99999/data",
    ),
    Judged(
        "an adapter from the machine itself",
        "adapters",
        {"inference.adapters[0].source": {"name": "poems", "urls": ["https://example.org/a", "http://127.0.0.1/b"]}},
        "inference.adapters[0].source.urls[1]",
        "SourceNotAllowed",
        "public http or https URL",
    ),
    *[
        Judged(
            f"an adapter in {kind}", "adapters", {_VOLUME: {kind: {}}}, f"{_VOLUME}.{kind}", "InvalidVolume", "hostPath"
        )
        for kind in ("emptyDir", "downwardAPI", "gitRepo", "hostpath", "pvc", "s3")
    ],
    Judged(
        "output to nothing",
        "tuning",
        {"tuning.output": {"volumeSource": {"emptyDir": {}}}},
        "tuning.output.volumeSource.emptyDir",
        "InvalidVolume",
        "persistentVolumeClaim",
    ),
    Judged(
        "input from nothing",
        "tuning",
        {"tuning.input": {"volumeSource": {"emptyDir": {}}}},
        "tuning.input.volumeSource.emptyDir",
        "InvalidVolume",
        "nfs",
    ),
]

EFFECTS: Final = [
    *_of("inference", "resource.preferredNodes", "FieldWithoutEffect", "Remove it", refused=False, given=["node-1"]),
    *_of("inference", "resource.count", "FieldWithoutEffect", "served from 1", refused=False, two=2, many=1000),
    *_of(
        "inference", "inference.preset.accessMode", "FieldWithoutEffect", "Remove it", refused=False, private="private"
    ),
    *_of(
        "inference",
        "inference.preset.presetOptions.image",
        "FieldWithoutEffect",
        "Remove it",
        refused=False,
        given="m:1",
    ),
    *_of(
        "inference",
        "inference.preset.presetOptions.imagePullSecrets",
        "FieldWithoutEffect",
        "Remove it",
        refused=False,
        given=["s"],
    ),
    *_of(
        "adapters",
        "inference.adapters[1].source.imagePullSecrets",
        "FieldWithoutEffect",
        "Remove it",
        refused=False,
        of_a_volume=["s"],
    ),
    *_of("tuning", "tuning.input.imagePullSecrets", "FieldWithoutEffect", "Remove it", refused=False, of_URLs=["s"]),
    Judged(
        "a push secret for a volume",
        "tuning",
        {"tuning.output": {"volumeSource": {"nfs": {"server": "a", "path": "/b"}}, "imagePushSecret": "push"}},
        "tuning.output.imagePushSecret",
        "FieldWithoutEffect",
        "Remove it",
        refused=False,
    ),
]

UNSERVED: Final = [
    Judged("tuning", "tuning", {}, "tuning", "TuningNotSupported", "remove the field", refused=False),
    Judged(
        "a template", "template", {}, "inference.template", "TemplateNotSupported", "remove the field", refused=False
    ),
    Judged(
        "a partition",
        "inference",
        {"resource.partition": {"mode": "mig", "profile": "1g.10gb"}},
        "resource.partition",
        "PartitionNotSupported",
        "whole machines",
        refused=False,
    ),
    *_of(
        "tuning",
        "tuning.output.image",
        "PlaceholdersLeft",
        "your own values",
        refused=False,
        left="ACR_REPO_HERE.azurecr.io/IMAGE_NAME_HERE:0.0.1",
    ),
    *_of(
        "tuning",
        "tuning.output.imagePushSecret",
        "PlaceholdersLeft",
        "your own values",
        refused=False,
        left="ACR_REGISTRY_SECRET_HERE",
    ),
    *_of(
        "adapters",
        "inference.adapters[0].source.image",
        "PlaceholdersLeft",
        "your own values",
        refused=False,
        left="ACR_REPO_HERE.azurecr.io/ADAPTER_HERE:0.0.1",
    ),
]

JUDGED: Final[dict[str, Judged]] = {row.case: row for row in (*PRESETS, *SIZES, *LABELS, *SOURCES, *EFFECTS, *UNSERVED)}
