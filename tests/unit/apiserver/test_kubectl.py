"""What a person sees with the real kubectl."""

import asyncio
import json
from pathlib import Path

import yaml

from kaito.apiserver import EmbeddedServer

HERE = Path(__file__).parent
WEB, WORKSPACES = str(HERE / "web.yaml"), str(HERE / "workspaces.yaml")

POD = """
apiVersion: v1
kind: Pod
metadata: {name: web, labels: {app: web}}
spec: {containers: [{name: main, image: nginx}]}
"""
WORKSPACE = """
apiVersion: example.org/v1
kind: Workspace
metadata: {name: phi}
resource: {instanceType: Standard_NC12s_v3, labelSelector: {matchLabels: {apps: phi}}}
inference: {preset: {name: phi-3}}
"""


async def test_a_client_side_apply_creates_changes_and_leaves_alone(kubectl):
    first = await kubectl("apply", "-f", WEB)
    assert first.out == "deployment.apps/web created\nservice/web created\n"
    assert first.err == ""
    again = await kubectl("apply", "-f", str(HERE / "web.yaml"), "--prune=false")
    assert "service/web unchanged" in again.out
    changed = (HERE / "web.yaml").read_text().replace("image: nginx", "image: nginx:2")
    await kubectl("apply", "-f", "-", stdin=changed)
    live = json.loads((await kubectl("get", "deploy", "web", "-o", "json")).out)
    container = live["spec"]["template"]["spec"]["containers"][0]
    assert container["image"] == "nginx:2"
    assert container["resources"] == {"requests": {"cpu": "500m", "memory": "1Gi"}}
    assert live["metadata"]["generation"] == 2


async def test_the_columns_are_those_of_kubernetes(kubectl):
    await kubectl("apply", "-f", WEB)
    services = (await kubectl("get", "svc", "web")).out.splitlines()
    assert services[0].split() == ["NAME", "TYPE", "CLUSTER-IP", "EXTERNAL-IP", "PORT(S)", "AGE"]
    assert services[1].split()[4] == "80/TCP,29500/TCP"
    deployments = (await kubectl("get", "deploy", "-o", "wide")).out.splitlines()
    assert deployments[1].split()[:4] == ["web", "0/1", "0", "0"]
    assert "NAMESPACE" in (await kubectl("get", "svc", "-A")).out
    labelled = (await kubectl("get", "ns", "default", "--show-labels")).out
    assert "kubernetes.io/metadata.name=default" in labelled


async def test_server_side_apply_names_the_manager_it_conflicts_with(kubectl):
    await kubectl("apply", "--server-side", "-f", WEB)
    await kubectl("scale", "deploy", "web", "--replicas=3")
    manifest = (
        (HERE / "web.yaml")
        .read_text()
        .split("---")[0]
        .replace("spec:\n  selector", "spec:\n  replicas: 2\n  selector", 1)
    )
    refused = await kubectl("apply", "--server-side", "-f", "-", stdin=manifest, fails=True)
    assert 'conflict with "kubectl" with subresource "scale" using apps/v1: .spec.replicas' in refused.err
    forced = await kubectl("apply", "--server-side", "--force-conflicts", "-f", "-", stdin=manifest)
    assert forced.out == "deployment.apps/web serverside-applied\n"
    assert (await kubectl("get", "deploy", "web", "-o", "jsonpath={.spec.replicas}")).out == "2"


async def test_a_custom_resource_prints_its_columns_under_its_short_name(kubectl):
    await kubectl("apply", "-f", WORKSPACES)
    await kubectl("wait", "--for=condition=established", "crd/workspaces.example.org", "--timeout=5s")
    created = await kubectl("apply", "-f", "-", stdin=WORKSPACE)
    assert created.out == "workspace.example.org/phi created\n"
    narrow = (await kubectl("get", "wk")).out.splitlines()
    assert narrow[0].split() == ["NAME", "INSTANCE", "READY", "AGE"]
    wide = (await kubectl("get", "workspaces", "-o", "wide")).out.splitlines()
    assert wide[0].split() == ["NAME", "INSTANCE", "READY", "COUNT", "AGE"]
    assert "workspace.example.org/phi" in (await kubectl("get", "all")).out
    chosen = await kubectl("get", "wk", "--field-selector", "resource.instanceType=Standard_NC12s_v3", "-o", "name")
    assert chosen.out == "workspace.example.org/phi\n"


async def test_a_wrong_custom_resource_is_refused_with_its_field_paths(kubectl):
    await kubectl("apply", "-f", WORKSPACES)
    unknown = WORKSPACE.replace("instanceType", "instanceTyp")
    strict = await kubectl("apply", "-f", "-", stdin=unknown, fails=True)
    assert 'strict decoding error: unknown field "resource.instanceTyp"' in strict.err
    warned = await kubectl("apply", "--validate=warn", "-f", "-", stdin=unknown)
    assert 'Warning: unknown field "resource.instanceTyp"' in warned.err
    wrong = WORKSPACE.replace("{name: phi-3}", "{}").replace("labelSelector: {matchLabels: {apps: phi}}", "count: 0")
    refused = await kubectl("create", "-f", "-", stdin=wrong.replace("name: phi", "name: bad"), fails=True)
    assert 'The Workspace "bad" is invalid:' in refused.err
    assert "* resource.labelSelector: Required value" in refused.err
    assert "* inference.preset.name: Required value" in refused.err
    both = WORKSPACE + "tuning: {}\n"
    assert "inference and tuning exclude each other" in (await kubectl("apply", "-f", "-", stdin=both, fails=True)).err


async def test_a_deprecated_version_warns_and_shows_the_same_objects(kubectl):
    await kubectl("apply", "-f", WORKSPACES)
    old = WORKSPACE.replace("example.org/v1", "example.org/v1alpha1")
    applied = await kubectl("apply", "-f", "-", stdin=old)
    assert "Warning: example.org/v1alpha1 Workspace is deprecated" in applied.err
    shown = yaml.safe_load((await kubectl("get", "workspaces.v1.example.org", "phi", "-o", "yaml")).out)
    assert shown["apiVersion"] == "example.org/v1"
    assert shown["resource"]["count"] == 1


async def test_patches_of_all_kinds_labels_and_annotations(kubectl):
    await kubectl("apply", "-f", WORKSPACES)
    await kubectl("apply", "-f", "-", stdin=WORKSPACE)
    await kubectl("patch", "wk", "phi", "--type=merge", "-p", '{"resource":{"count":2}}')
    await kubectl("patch", "wk", "phi", "--type=json", "-p", '[{"op":"replace","path":"/resource/count","value":3}]')
    await kubectl("label", "wk", "phi", "team=a")
    await kubectl("annotate", "wk", "phi", "note=b")
    status = '{"status":{"conditions":[{"type":"Ready","status":"True"}]}}'
    await kubectl("patch", "wk", "phi", "--subresource=status", "--type=merge", "-p", status)
    live = json.loads((await kubectl("get", "wk", "phi", "-o", "json")).out)
    assert (live["resource"]["count"], live["metadata"]["generation"]) == (3, 3)
    assert live["metadata"]["labels"] == {"team": "a"}
    assert (await kubectl("get", "wk", "phi", "--no-headers")).out.split()[2] == "True"
    await kubectl("wait", "--for=condition=Ready", "wk/phi", "--timeout=5s")
    refused = await kubectl("patch", "wk", "phi", "-p", '{"resource":{"count":1}}', fails=True)
    assert "strategic-merge-patch+json is not supported" in refused.err
    await kubectl("apply", "-f", WEB)
    strategic = '{"spec":{"template":{"spec":{"containers":[{"name":"side","image":"busybox"}]}}}}'
    await kubectl("patch", "deploy", "web", "-p", strategic)
    names = await kubectl("get", "deploy", "web", "-o", "jsonpath={.spec.template.spec.containers[*].name}")
    assert sorted(names.out.split()) == ["server", "side"]


async def test_scale_works_on_deployments_and_custom_resources(kubectl):
    await kubectl("apply", "-f", WORKSPACES, "-f", WEB)
    await kubectl("apply", "-f", "-", stdin=WORKSPACE)
    assert (await kubectl("scale", "deploy", "web", "--replicas=4")).out == "deployment.apps/web scaled\n"
    assert (await kubectl("scale", "wk", "phi", "--replicas=2")).out == "workspace.example.org/phi scaled\n"
    assert (await kubectl("get", "wk", "phi", "-o", "jsonpath={.resource.count}")).out == "2"


async def test_a_watch_prints_a_row_for_each_change(kubectl, eventually, api, server: EmbeddedServer):
    await kubectl("apply", "-f", "-", stdin=POD)
    watching = asyncio.create_task(kubectl("get", "pods", "-w", "--request-timeout=1s"))

    async def is_watched() -> bool:
        return bool(server.store._watchers.get("pods"))

    await eventually(is_watched)
    pod = "/api/v1/namespaces/default/pods/web"
    await api.merge(f"{pod}/status", {"status": {"phase": "Running"}})  # at once: the watch lasts for a second
    await api("DELETE", pod)
    rows = [line.split() for line in (await watching).out.splitlines()]
    assert [row[2] for row in rows if row[0] == "web"] == ["Pending", "Running", "Running"]


async def test_describe_shows_the_events_of_an_object(kubectl, client):
    await kubectl("apply", "-f", "-", stdin=POD)
    pod = json.loads((await kubectl("get", "pod", "web", "-o", "json")).out)
    reference = {
        "kind": "Pod",
        "namespace": "default",
        "name": "web",
        "uid": pod["metadata"]["uid"],
        "apiVersion": "v1",
    }
    event = {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"generateName": "web.", "namespace": "default"},
        "involvedObject": reference,
        "reason": "Scheduled",
        "message": "assigned to gpu-1",
        "type": "Normal",
        "firstTimestamp": pod["metadata"]["creationTimestamp"],
        "lastTimestamp": pod["metadata"]["creationTimestamp"],
        "source": {"component": "scheduler"},
        "count": 1,
    }
    await client.create(event)
    described = (await kubectl("describe", "pod", "web")).out
    assert "assigned to gpu-1" in described
    assert "Scheduled" in (await kubectl("get", "events", "--field-selector", "reason=Scheduled")).out
    assert "Scheduled" in (await kubectl("events", "--for", "pod/web")).out
    assert "Normal" in (await kubectl("get", "events.events.k8s.io")).out


async def test_delete_waits_until_the_finalizer_is_gone(kubectl, eventually):
    await kubectl("apply", "-f", WORKSPACES)
    await kubectl(
        "apply", "-f", "-", stdin=WORKSPACE.replace("{name: phi}", "{name: phi, finalizers: [example.org/x]}")
    )
    deleting = asyncio.create_task(kubectl("delete", "wk", "phi", "--timeout=10s"))

    async def is_going() -> bool:
        return "deletionTimestamp" in (await kubectl("get", "wk", "phi", "-o", "json")).out

    await eventually(is_going)
    await kubectl("patch", "wk", "phi", "--type=merge", "-p", '{"metadata":{"finalizers":null}}')
    assert (await deleting).out == 'workspace.example.org "phi" deleted\n'
    gone = await kubectl("get", "wk", "phi", fails=True)
    assert gone.err == 'Error from server (NotFound): workspaces.example.org "phi" not found\n'


async def test_a_namespace_goes_with_all_that_is_in_it(kubectl):
    await kubectl("create", "namespace", "team")
    await kubectl("create", "configmap", "settings", "--from-literal=a=b", "-n", "team")
    await kubectl("delete", "namespace", "team", "--timeout=10s")
    assert (await kubectl("get", "cm", "-n", "team", "-o", "name")).out == ""
    refused = await kubectl("create", "configmap", "settings", "-n", "team", fails=True)
    assert 'namespaces "team" not found' in refused.err


async def test_a_definition_goes_with_all_its_objects(kubectl):
    await kubectl("apply", "-f", WORKSPACES)
    await kubectl("apply", "-f", "-", stdin=WORKSPACE)
    await kubectl("delete", "crd", "workspaces.example.org", "--timeout=10s")
    refused = await kubectl("get", "workspaces.example.org", fails=True)
    assert "the server doesn't have a resource type" in refused.err


async def test_explain_and_api_resources_know_builtin_and_custom_kinds(kubectl):
    await kubectl("apply", "-f", WORKSPACES)
    assert "instanceType" in (await kubectl("explain", "workspace.resource")).out
    assert "maxSurge" in (await kubectl("explain", "deployment.spec.strategy.rollingUpdate")).out
    listed = (await kubectl("api-resources", "--api-group=example.org")).out
    assert listed.splitlines()[1].split() == ["workspaces", "wk", "example.org/v1", "true", "Workspace"]


async def test_dry_run_and_diff_change_nothing(kubectl):
    ran = await kubectl("apply", "--dry-run=server", "-f", WEB)
    assert "deployment.apps/web created (server dry run)" in ran.out
    assert (await kubectl("get", "deploy", "-o", "name")).out == ""
    await kubectl("apply", "-f", WEB)
    changed = (HERE / "web.yaml").read_text().replace("image: nginx", "image: nginx:2")
    diff = await kubectl("diff", "-f", "-", stdin=changed, fails=True)
    assert "+        image: nginx:2" in diff.out or "+      - image: nginx:2" in diff.out


async def test_everyday_commands_work(kubectl):
    await kubectl("create", "deployment", "api", "--image=nginx", "--replicas=2")
    await kubectl("expose", "deployment", "api", "--port=80")
    await kubectl("set", "image", "deployment/api", "nginx=nginx:3")
    await kubectl("create", "secret", "generic", "s", "--from-literal=a=b")
    assert (await kubectl("get", "secret", "s", "-o", "jsonpath={.data.a}")).out == "Yg=="
    assert "Image:         nginx:3" in (await kubectl("describe", "deployment", "api")).out
    assert (await kubectl("auth", "can-i", "create", "pods")).out == "yes\n"
    assert "kubernetes-admin" in (await kubectl("auth", "whoami")).out
    await kubectl("run", "once", "--image=busybox", "--restart=Never")
    assert (
        await kubectl("get", "pod", "once", "-o", "jsonpath={.status.phase}/{.status.qosClass}")
    ).out == "Pending/BestEffort"
    assert "does not have a host assigned" in (await kubectl("logs", "once", fails=True)).err
    await kubectl("delete", "pod", "once", "--now")
    await kubectl("delete", "deploy,svc", "--all")
    assert "Kubernetes control plane" in (await kubectl("cluster-info")).out
    assert (await kubectl("get", "--raw", "/readyz")).out == "ok"
    await kubectl("taint", "node", "none", "a=b:NoSchedule", fails=True)
    await kubectl("replace", "-f", WEB, fails=True)  # the Deployment is not there; the Service is made
    await kubectl("delete", "service", "web")
    await kubectl("create", "-f", WEB)
    replaced = await kubectl("replace", "-f", WEB, fails=False)
    assert "deployment.apps/web replaced" in replaced.out
