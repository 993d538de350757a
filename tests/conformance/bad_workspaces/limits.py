"""Workspaces that are just about good: each field at its limit, and the forms that are easily thought to be wrong."""

from typing import Any, Final

_LABELS = "resource.labelSelector.matchLabels"
_SOURCE = "inference.adapters[0].source"
_VOLUME = "inference.adapters[1].source.volumeSource"

LIMITS: Final[dict[str, tuple[str, dict[str, Any]]]] = {
    "a name of 54 characters": ("inference", {"metadata.name": "a" * 54}),
    "a name of one character": ("inference", {"metadata.name": "a"}),
    "a name with a digit at its end": ("inference", {"metadata.name": "a-1"}),
    "a generated name": ("inference", {"metadata.name": "", "metadata.generateName": "a" * 49}),
    "a label value of 63 characters": ("inference", {f"{_LABELS}.apps": "a" * 63}),
    "an empty label value": ("inference", {f"{_LABELS}.apps": ""}),
    "a label key of 317 characters": ("inference", {_LABELS: {f"{'.'.join(['a' * 63] * 4)[:253]}/{'b' * 63}": "x"}}),
    "64 labels": ("inference", {_LABELS: {f"a{number}": "x" for number in range(64)}}),
    "one label as an expression": (
        "inference",
        {"resource.labelSelector": {"matchExpressions": [{"key": "apps", "operator": "In", "values": ["x"]}]}},
    ),
    "a thousand nodes": ("inference", {"resource.count": 1000}),
    "a whole number written as a fraction": ("inference", {"resource.count": 1.0}),
    "a size of 63 characters": ("inference", {"resource.instanceType": "S" * 63}),
    "a preset in capitals": ("inference", {"inference.preset.name": "PHI-3-MINI-4K-INSTRUCT"}),
    "a preset of the hub": ("inference", {"inference.preset.name": "Qwen/Qwen2.5-Coder-7B-Instruct"}),
    "a preset name of 128 characters": ("inference", {"inference.preset.name": "a" * 128}),
    "a secret name of 253 characters": (
        "inference",
        {"inference.preset.presetOptions": {"modelAccessSecret": ".".join(["a" * 63] * 4)[:253]}},
    ),
    "ten adapters": (
        "adapters",
        {
            "inference.adapters": [
                {"source": {"name": f"a{number}", "image": "registry.example.org/a:1"}} for number in range(10)
            ]
        },
    ),
    "an adapter's name of 253 characters": ("adapters", {f"{_SOURCE}.name": "a" * 253}),
    "an adapter without a strength": ("adapters", {"inference.adapters[0]": {"source": {"name": "a", "image": "a"}}}),
    **{
        f"a strength of {strength}": ("adapters", {"inference.adapters[0].strength": strength})
        for strength in ("0", "1", "0.0", "1.0", ".5", "0.6666666666666666", "0." + "3" * 30)
    },
    **{
        f"the image {image[:60]}": ("adapters", {f"{_SOURCE}.image": image})
        for image in (
            "a",
            "a:latest",
            "localhost:5000/a",
            "registry.example.org:5000/team/a_b/c--d/e.f:v1.2_3",
            "mcr.microsoft.com/aks/kaito/a@sha256:" + "0" * 64,
            "a:1@sha256:" + "f" * 64,
            "REGISTRY.example.org/a:1",
            "ACR_REPO_HERE.azurecr.io/IMAGE_NAME_HERE:0.0.1",
            "a/" * 255 + "bb",
        )
    },
    **{
        f"the URL {url[:60]}": ("tuning", {"tuning.input.urls[0]": url})
        for url in (
            "http://example.org",
            "https://example.org:8443/a?b=c&d=%20#e",
            "https://192.0.2.1/a",
            "https://example.org?download=true",
            "https://data_set.example.org/a",
            "https://example.org/" + "a" * 2028,
        )
    },
    **{
        f"a volume of {next(iter(volume))}": ("adapters", {_VOLUME: volume})
        for volume in (
            {"hostPath": {"path": "/a", "type": "DirectoryOrCreate"}},
            {"hostPath": {"path": "/a..b/..c"}},
            {"persistentVolumeClaim": {"claimName": "a.b-c", "readOnly": True}},
            {"nfs": {"server": "nfs.example.org", "path": "/"}},
            {"configMap": {"name": "c", "defaultMode": 0o777, "items": [{"key": "k", "path": "a/b", "mode": 0}]}},
            {"secret": {"secretName": "s", "optional": True}},
            {"csi": {"driver": "File.CSI.azure.com", "volumeAttributes": {"a": ""}}},
            {"azureFile": {"secretName": "s", "shareName": "n"}},
            {"azureDisk": {"diskName": "d", "diskURI": "https://example.org/d.vhd"}},
            {"image": {"reference": "registry.example.org/a:1"}},
            {"ephemeral": {"volumeClaimTemplate": {"spec": {"accessModes": ["ReadOnlyMany"]}}}},
        )
    },
    "a method in capitals": ("tuning", {"tuning.method": "QLoRA"}),
    "the placeholder of a secret": ("tuning", {"tuning.output.imagePushSecret": "ACR_REGISTRY_SECRET_HERE"}),
    "64 URLs": ("tuning", {"tuning.input.urls": [f"https://example.org/{number}" for number in range(64)]}),
    "a slice of a GPU": ("inference", {"resource.partition": {"mode": "mig", "profile": "7g.80gb"}}),
    "64 accelerators": ("inference", {"resource.partition": {"mode": "accelerator", "count": 64}}),
    "a template with more than we know": (
        "template",
        {"inference.template.metadata": {"labels": {"a": "b"}}, "inference.template.spec.hostNetwork": True},
    ),
}
