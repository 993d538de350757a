"""The CEL rules, evaluated as the API server does: what they refuse, and that the page's manifests pass."""

import pytest
import yaml

from kaito.api.crd import crds
from kaito.apiserver.schema.expressions import Expression

SCHEMA = crds()[0]["spec"]["versions"][0]["schema"]["openAPIV3Schema"]

PHI = """
apiVersion: kaito.sh/v1alpha1
kind: Workspace
metadata: {name: workspace-phi-3-mini}
resource: {instanceType: Standard_NC6s_v3, labelSelector: {matchLabels: {apps: phi-3}}}
inference: {preset: {name: phi-3-mini-4k-instruct}}
"""
TUNING = """
metadata: {name: workspace-tuning-phi-3}
resource: {labelSelector: {matchLabels: {app: tuning-phi-3}}}
tuning:
  preset: {name: phi-3-mini-128k-instruct}
  method: qlora
  input: {urls: ["https://example.org/train.parquet"]}
  output: {image: "ACR_REPO_HERE.azurecr.io/IMAGE_NAME_HERE:0.0.1", imagePushSecret: ACR_REGISTRY_SECRET_HERE}
"""


def broken(schema, value, old=None, path=""):
    """The messages of the rules that do not hold, in document order."""
    found = []
    for entry in schema.get("x-kubernetes-validations", ()):
        if "oldSelf" in entry["rule"] and old is None:
            continue
        variables = {"self": value} if old is None else {"self": value, "oldSelf": old}
        if not Expression(entry["rule"]).evaluate(variables):
            found.append(f"{path}: {entry['message']}")
    if isinstance(value, dict):
        for name, child in schema.get("properties", {}).items():
            if name in value:
                before = old.get(name) if isinstance(old, dict) else None
                found += broken(child, value[name], before, f"{path}.{name}")
    elif isinstance(value, list):
        for index, item in enumerate(value):
            found += broken(schema.get("items", {}), item, None, f"{path}[{index}]")
    return found


def edited(text, **changes):
    document = yaml.safe_load(text)
    for path, value in changes.items():
        *parents, last = path.split("__")
        target = document
        for parent in parents:
            target = target[parent]
        if value is None:
            target.pop(last)
        else:
            target[last] = value
    return document


@pytest.mark.parametrize("text", [PHI, TUNING], ids=["inference", "tuning"])
def test_a_manifest_as_on_the_page_breaks_no_rule_new_or_unchanged(text):
    document = yaml.safe_load(text)
    assert broken(SCHEMA, document) == []
    assert broken(SCHEMA, document, document) == []


ADAPTER = {"source": {"name": "x", "image": "reg/x:1"}}
REFUSED_NEW = [
    (PHI, {"tuning": yaml.safe_load(TUNING)["tuning"]}, "exactly one of inference and tuning"),
    (PHI, {"inference": None}, "exactly one of inference and tuning"),
    (PHI, {"inference__template": {}}, "exactly one of preset and template"),
    (PHI, {"inference__preset": None}, "exactly one of preset and template"),
    (PHI, {"metadata__name": "phi-3-mini-4k-instruct"}, "must differ"),
    (PHI, {"metadata__name": "3-phi"}, "starting with a letter"),
    (PHI, {"metadata__name": "x" * 55}, "at most 54"),
    (PHI, {"inference__adapters": [ADAPTER, ADAPTER]}, "adapter names must differ"),
    (PHI, {"inference__adapters": [{"source": {"image": "reg/x:1"}}]}, "an adapter needs a name"),
    (PHI, {"inference__adapters": [{"source": {"name": "x"}}]}, "exactly one of urls, image and volumeSource"),
    (
        PHI,
        {"inference__adapters": [{"source": {**ADAPTER["source"], "name": "phi-3-mini-4k-instruct"}}]},
        "not be called",
    ),
    (TUNING, {"tuning__input": {"urls": ["u"], "image": "i"}}, "exactly one of urls, image and volumeSource"),
    (TUNING, {"tuning__input": {}}, "exactly one of urls, image and volumeSource"),
    (TUNING, {"tuning__output": {}}, "exactly one of image and volumeSource"),
    (TUNING, {"tuning__output": {"image": "i"}}, "needs imagePushSecret"),
]


@pytest.mark.parametrize(("text", "changes", "said"), REFUSED_NEW)
def test_a_wrong_workspace_is_refused_with_what_is_wrong(text, changes, said):
    messages = broken(SCHEMA, edited(text, **changes))
    assert any(said in message for message in messages), messages


REFUSED_EDITS = [
    (PHI, {"resource__instanceType": "Standard_NC12s_v3"}, "instanceType is immutable"),
    (PHI, {"resource__labelSelector": {"matchLabels": {"apps": "other"}}}, "labelSelector is immutable"),
    (PHI, {"inference__preset": {"name": "phi-3-mini-128k-instruct"}}, "preset is immutable"),
    (TUNING, {"tuning__method": "lora"}, "method is immutable"),
    (TUNING, {"tuning__preset": {"name": "phi-3-mini-4k-instruct"}}, "preset is immutable"),
    (TUNING, {"tuning__input": {"name": "n", "urls": ["u"]}}, "input.name is immutable"),
]


@pytest.mark.parametrize(("text", "changes", "said"), REFUSED_EDITS)
def test_what_is_bought_or_trained_cannot_be_edited(text, changes, said):
    messages = broken(SCHEMA, edited(text, **changes), yaml.safe_load(text))
    assert any(said in message for message in messages), messages


def test_a_workspace_cannot_turn_from_inference_to_tuning():
    tuned = {**yaml.safe_load(TUNING), "metadata": {"name": "workspace-phi-3-mini"}}
    assert any("stays one" in message for message in broken(SCHEMA, tuned, yaml.safe_load(PHI)))


ALLOWED_EDITS = [
    (PHI, {"inference__adapters": [ADAPTER]}),
    (PHI, {"inference__config": "mine"}),
    (TUNING, {"tuning__input": {"urls": ["https://example.org/other.parquet"]}}),
]


@pytest.mark.parametrize(("text", "changes"), ALLOWED_EDITS)
def test_what_may_change_may_change(text, changes):
    assert broken(SCHEMA, edited(text, **changes), yaml.safe_load(text)) == []
