"""The manifests, word for word, and that no text of a user's can change their structure.

`UPDATE_GOLDEN=1 pytest …/test_render.py` writes the golden files anew; read the difference before committing it.
"""

import os
import re
from dataclasses import replace
from pathlib import Path

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kaito.controllers.options import Settings
from kaito.controllers.workspace import render as rendering
from kaito.controllers.workspace.render import render
from kaito.presets import make_plan

HUB_WITH_TOKEN = """
metadata: {name: phi, namespace: team}
resource: {instanceType: Standard_NC48ads_A100_v4, labelSelector: {matchLabels: {apps: phi-3}}}
inference:
  preset: {name: phi-3-mini-128k-instruct, presetOptions: {modelAccessSecret: hub-token}}
  config: my-config
"""
VOLUME_ADAPTER = """
metadata: {name: phi, namespace: team}
resource: {instanceType: Standard_NC6s_v3, labelSelector: {matchLabels: {apps: phi-3, tier: gold}}}
inference:
  preset: {name: phi-3-mini-4k-instruct}
  adapters: [{source: {name: poems, volumeSource: {persistentVolumeClaim: {claimName: poems}}}, strength: "1.0"}]
"""
CASES = {
    "stand-in": (None, Settings(weights_cache_dir="/cache")),
    "hub": (HUB_WITH_TOKEN, Settings(weights="hub")),
    "path": (VOLUME_ADAPTER, Settings(weights="/models")),
}


def sized(snapshot):
    workspace = snapshot.workspace
    plan = make_plan(workspace.preset.name, workspace.resource.instance_type, snapshot.presets, snapshot.skus)
    return replace(snapshot, plan=plan)


@pytest.mark.parametrize("name", CASES)
def test_the_manifests_are_word_for_word_those_of_the_golden_file(a, golden, name):
    text, options = CASES[name]
    snapshot = a.snapshot(a.workspace(text or a.manifest), settings=options)
    found = yaml.safe_dump_all(render(sized(snapshot)), sort_keys=False, width=110)
    path = golden / f"{name}.yaml"
    if os.environ.get("UPDATE_GOLDEN"):
        path.parent.mkdir(exist_ok=True)
        path.write_text(found)
    assert found == path.read_text()


def test_every_value_in_every_template_is_quoted_by_tojson():
    folder = Path(rendering.__file__).parent / "templates"
    files = list(folder.rglob("*.j2"))
    assert {path.parent.name for path in files} == set(rendering.TEMPLATE_VERSIONS)
    for path in files:
        for expression in re.findall(r"{{(.*?)}}", path.read_text()):
            assert expression.strip().endswith("| tojson"), f"{path.name}: {expression}"


NASTY = st.text(min_size=1, max_size=60).filter(lambda text: "\x00" not in text) | st.sampled_from(
    ["}}{{", "a: b\n- c", "'\"", "# x", "*anchor", "&a", "!!python/object", "\u2028", "null", "1e3", "yes", "</script>"]
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(label=NASTY, secret=NASTY, config=NASTY, image=NASTY)
def test_whatever_a_user_writes_stays_a_value(a, label, secret, config, image):
    workspace = a.workspace()
    preset = workspace.inference.preset
    options = {"preset_options": {"model_access_secret": secret}}
    changed = preset.model_validate({**preset.model_dump(), **options})
    inference = workspace.inference.model_copy(update={"preset": changed, "config": config})
    selector = workspace.resource.label_selector.model_copy(update={"match_labels": {"apps": label}})
    resource = workspace.resource.model_copy(update={"label_selector": selector})
    workspace = workspace.model_copy(update={"inference": inference, "resource": resource})
    snapshot = a.snapshot(workspace, settings=Settings(weights="hub", runtime_image=image))
    *_, deployment = render(sized(snapshot))
    pod = deployment["spec"]["template"]["spec"]
    [container] = pod["containers"]
    assert container["image"] == image
    assert container["env"][0]["valueFrom"]["secretKeyRef"]["name"] == secret
    terms = pod["affinity"]["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]["nodeSelectorTerms"]
    assert terms[0]["matchExpressions"][0] == {"key": "apps", "operator": "In", "values": [label]}
    assert {"name": "config", "configMap": {"name": config}} in pod["volumes"]


def test_what_is_rendered_is_private_to_its_reader(a):
    snapshot = sized(a.snapshot())
    render(snapshot)[0]["metadata"]["name"] = "changed"
    assert render(snapshot)[0]["metadata"]["name"] == "phi"
