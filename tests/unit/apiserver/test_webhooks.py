"""Admission webhooks: who is asked about what, and what the answers do. The webhooks here are core's own server."""

import asyncio
import base64
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
import yaml
from prometheus_client import CollectorRegistry

from kaito.core import SystemClock
from kaito.core.admission import AdmissionRequest, Cause, Verdict, WebhookServer, patch_between
from kaito.core.certificates import signing
from kaito.local.ports import free_port

CONFIG_MAPS = "/api/v1/namespaces/default/configmaps"
WORKSPACES = "/apis/example.org/v1/namespaces/default/workspaces"
CRDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
HOOKS = "/apis/admissionregistration.k8s.io/v1"
RULE = {"operations": ["*"], "apiGroups": [""], "apiVersions": ["v1"], "resources": ["configmaps"]}
NAME = "judge.example.org"
SERVICE_NAME = "judge.default.svc"


class Judge:
    """A webhook server whose handlers tests replace, and what it was asked."""

    def __init__(self, folder: Path) -> None:
        generation = signing.issue(["127.0.0.1", SERVICE_NAME], datetime.now(UTC), timedelta(days=1))
        self.bundle = base64.b64encode(generation["authority"]["pem"].encode()).decode()
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        pair = folder / "pair.pem"
        pair.write_text(generation["key"] + generation["certificate"])
        context.load_cert_chain(pair)
        self.asked: list[AdmissionRequest] = []
        self.validate: Callable[[AdmissionRequest], Awaitable[Verdict] | Verdict] = lambda _request: Verdict()
        self.mutate: Callable[[AdmissionRequest], Verdict] = lambda _request: Verdict()
        handlers = {"/validate": self._validate, "/mutate": self._mutate, "/second": self._second}
        self.second: Callable[[AdmissionRequest], Verdict] = lambda _request: Verdict()
        self.server = WebhookServer("127.0.0.1", 0, context, SystemClock(), CollectorRegistry())
        for path, handler in handlers.items():
            self.server.register(path, handler)

    async def _validate(self, request: AdmissionRequest) -> Verdict:
        self.asked.append(request)
        verdict = self.validate(request)
        return verdict if isinstance(verdict, Verdict) else await verdict

    async def _mutate(self, request: AdmissionRequest) -> Verdict:
        self.asked.append(request)
        return self.mutate(request)

    async def _second(self, request: AdmissionRequest) -> Verdict:
        self.asked.append(request)
        return self.second(request)

    def url(self, path: str) -> dict[str, Any]:
        return {"url": f"https://127.0.0.1:{self.server.port}{path}", "caBundle": self.bundle}

    def hook(self, path: str = "/validate", name: str = NAME, **changes: Any) -> dict[str, Any]:
        entry = {
            "name": name,
            "clientConfig": self.url(path),
            "rules": [RULE],
            "admissionReviewVersions": ["v1"],
            "sideEffects": "None",
            **changes,
        }
        return {key: value for key, value in entry.items() if value is not None}


@pytest_asyncio.fixture
async def judge(tmp_path: Path) -> AsyncIterator[Judge]:
    judge = Judge(tmp_path)
    await judge.server.start()
    yield judge
    await judge.server.stop()


async def register(api, kind: str, *hooks: dict[str, Any], name: str = "hooks") -> None:
    made = await api("POST", f"{HOOKS}/{kind}webhookconfigurations", {"metadata": {"name": name}, "webhooks": hooks})
    assert made.code == 201, made.body


def config_map(name: str = "a", labels: dict[str, str] | None = None, **data: str) -> dict[str, Any]:
    return {"metadata": {"name": name, **({"labels": labels} if labels else {})}, "data": data}


def refuse(_request: AdmissionRequest) -> Verdict:
    return Verdict(False, message="not today")


def add(key: str, value: str) -> Callable[[AdmissionRequest], Verdict]:
    def handler(request: AdmissionRequest) -> Verdict:
        obj = request.object or {}
        changed = {**obj, "data": {**(obj.get("data") or {}), key: value}}
        return Verdict(patch=patch_between(obj, changed))

    return handler


async def test_a_refusal_is_worded_as_kubernetes_words_it_and_nothing_is_stored(api, judge):
    await register(api, "validating", judge.hook())
    judge.validate = refuse
    refused = await api("POST", CONFIG_MAPS, config_map())
    assert (refused.code, refused.reason) == (403, "Forbidden")
    assert refused.body["message"] == f'admission webhook "{NAME}" denied the request: not today'
    assert (await api("GET", f"{CONFIG_MAPS}/a")).code == 404


async def test_a_refusal_by_field_carries_its_causes(api, judge):
    await register(api, "validating", judge.hook())
    judge.validate = lambda _request: Verdict.invalid([Cause("data.x", "is wrong; leave it out")])
    refused = await api("POST", CONFIG_MAPS, config_map())
    assert (refused.code, refused.reason) == (422, "Invalid")
    assert refused.body["details"]["causes"] == [
        {"reason": "FieldValueInvalid", "message": "is wrong; leave it out", "field": "data.x"}
    ]


async def test_what_a_webhook_sees_of_each_write(api, judge):
    await register(api, "validating", judge.hook())
    made = await api("POST", CONFIG_MAPS, config_map(x="1"))
    await api("PUT", f"{CONFIG_MAPS}/a", {**made.body, "data": {"x": "2"}})
    await api("DELETE", f"{CONFIG_MAPS}/a")
    created, updated, deleted = judge.asked
    assert (created.operation, created.name, created.namespace) == ("CREATE", "a", "default")
    assert created.object is not None
    assert created.object["metadata"]["uid"] == made.body["metadata"]["uid"]
    assert created.old_object is None
    assert (updated.operation, updated.object["data"], updated.old_object["data"]) == ("UPDATE", {"x": "2"}, {"x": "1"})
    assert (deleted.operation, deleted.object, deleted.old_object["data"]) == ("DELETE", None, {"x": "2"})
    assert created.user_info.username == "kubernetes-admin"


async def test_a_generated_name_is_the_one_that_the_webhook_saw(api, judge):
    await register(api, "validating", judge.hook())
    made = await api("POST", CONFIG_MAPS, {"metadata": {"generateName": "x-"}})
    assert [request.name for request in judge.asked] == [made.body["metadata"]["name"]]


async def test_a_webhook_that_was_changed_or_taken_away_counts_from_the_next_write_on(api, judge):
    await register(api, "validating", judge.hook())
    judge.validate = refuse
    assert (await api("POST", CONFIG_MAPS, config_map())).code == 403
    path = f"{HOOKS}/validatingwebhookconfigurations/hooks"
    other = [{**RULE, "resources": ["secrets"]}]
    assert (await api.merge(path, {"webhooks": [judge.hook(rules=other)]})).code == 200
    assert (await api("POST", CONFIG_MAPS, config_map())).code == 201
    assert (await api.merge(path, {"webhooks": [judge.hook()]})).code == 200
    assert (await api("POST", CONFIG_MAPS, config_map("b"))).code == 403
    assert (await api("DELETE", path)).code == 200
    assert (await api("POST", CONFIG_MAPS, config_map("b"))).code == 201


async def test_warnings_reach_the_client(api, judge):
    await register(api, "validating", judge.hook())
    judge.validate = lambda _request: Verdict(warnings=("mind the gap",))
    made = await api("POST", CONFIG_MAPS, config_map())
    assert made.headers["Warning"] == '299 - "mind the gap"'
    judge.validate = lambda _request: Verdict(False, ("mind the gap",), message="no")
    refused = await api("POST", CONFIG_MAPS, config_map("b"))
    assert (refused.code, refused.headers["Warning"]) == (403, '299 - "mind the gap"')


async def test_a_mutating_webhook_changes_what_is_stored_before_it_is_validated(api, judge):
    await register(api, "mutating", judge.hook("/mutate"))
    await register(api, "validating", judge.hook())
    judge.mutate = add("y", "2")
    made = await api("POST", CONFIG_MAPS, config_map(x="1"))
    assert made.body["data"] == {"x": "1", "y": "2"}
    assert judge.asked[-1].object["data"] == {"x": "1", "y": "2"}
    patched = await api.merge(f"{CONFIG_MAPS}/a", {"data": {"y": None}})
    assert patched.body["data"] == {"x": "1", "y": "2"}


async def test_mutating_webhooks_are_asked_in_order_and_again_if_they_want(api, judge):
    await register(
        api,
        "mutating",
        judge.hook("/mutate", reinvocationPolicy="IfNeeded"),
        judge.hook("/second", name="second.example.org"),
    )
    judge.mutate = lambda request: add("count", str(len(request.object["data"])))(request)
    judge.second = add("second", "was here")
    made = await api("POST", CONFIG_MAPS, config_map(x="1"))
    assert made.body["data"] == {"x": "1", "count": "3", "second": "was here"}
    assert len(judge.asked) == 3


async def test_a_mutated_object_still_has_to_be_valid(api, judge):
    await api("POST", CRDS, yaml.safe_load((Path(__file__).parent / "workspaces.yaml").read_text()))
    rule = {**RULE, "apiGroups": ["example.org"], "resources": ["workspaces"]}
    await register(api, "mutating", judge.hook("/mutate", rules=[rule]))
    judge.mutate = lambda _request: Verdict(patch=({"op": "remove", "path": "/resource"},))
    body = {
        "apiVersion": "example.org/v1",
        "kind": "Workspace",
        "metadata": {"name": "phi"},
        "resource": {"labelSelector": {}},
        "inference": {"preset": {"name": "phi"}},
    }
    refused = await api("POST", WORKSPACES, body)
    assert refused.code == 422
    assert "resource" in refused.body["message"]


async def test_a_patch_that_does_not_apply_is_an_internal_error(api, judge):
    await register(api, "mutating", judge.hook("/mutate"))
    judge.mutate = lambda _request: Verdict(patch=({"op": "remove", "path": "/nothing/there"},))
    refused = await api("POST", CONFIG_MAPS, config_map())
    assert (refused.code, refused.reason) == (500, "InternalError")


async def test_a_validating_webhook_may_not_change_anything(api, judge):
    await register(api, "validating", judge.hook())
    judge.validate = add("y", "2")
    refused = await api("POST", CONFIG_MAPS, config_map())
    assert refused.code == 500
    assert "received invalid webhook response" in refused.body["message"]


@pytest.mark.parametrize(
    ("changes", "asked"),
    [
        ({}, True),
        ({"rules": [{**RULE, "operations": ["UPDATE"]}]}, False),
        ({"rules": [{**RULE, "apiGroups": ["apps"]}]}, False),
        ({"rules": [{**RULE, "apiVersions": ["*"], "apiGroups": ["*"], "resources": ["*"]}]}, True),
        ({"rules": [{**RULE, "resources": ["*/*"]}]}, True),
        ({"rules": [{**RULE, "resources": ["configmaps/status"]}]}, False),
        ({"rules": [{**RULE, "scope": "Cluster"}]}, False),
        ({"rules": [{**RULE, "scope": "Namespaced"}]}, True),
        ({"objectSelector": {"matchLabels": {"team": "red"}}}, True),
        ({"objectSelector": {"matchLabels": {"team": "blue"}}}, False),
        ({"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "default"}}}, True),
        ({"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "other"}}}, False),
        ({"matchConditions": [{"name": "create", "expression": "request.operation == 'CREATE'"}]}, True),
        ({"matchConditions": [{"name": "b", "expression": "object.metadata.name == 'b'"}]}, False),
        ({"matchConditions": [{"name": "new", "expression": "oldObject == null"}]}, True),
    ],
)
async def test_who_is_asked_follows_from_rules_selectors_and_conditions(api, judge, changes, asked):
    await register(api, "validating", judge.hook(**changes))
    assert (await api("POST", CONFIG_MAPS, config_map(labels={"team": "red"}))).code == 201
    assert bool(judge.asked) is asked


async def test_a_condition_that_cannot_be_told_forbids_the_write(api, judge):
    broken = [{"name": "broken", "expression": "object.spec.nothing == 1"}]
    await register(api, "validating", judge.hook(matchConditions=broken))
    assert (await api("POST", CONFIG_MAPS, config_map())).code == 403
    assert judge.asked == []


async def test_another_version_of_a_kind_is_shown_as_the_webhook_wants_it(api, judge):
    crd = yaml.safe_load((Path(__file__).parent / "workspaces.yaml").read_text())
    crd["spec"]["versions"].append({**crd["spec"]["versions"][0], "name": "v1beta1", "storage": False})
    await api("POST", CRDS, crd)
    rule = {**RULE, "apiGroups": ["example.org"], "resources": ["workspaces"], "apiVersions": ["v1"]}
    await register(api, "validating", judge.hook(rules=[rule]))
    body = {
        "apiVersion": "example.org/v1beta1",
        "kind": "Workspace",
        "metadata": {"name": "phi"},
        "resource": {"labelSelector": {}},
        "inference": {"preset": {"name": "phi"}},
    }
    made = await api("POST", WORKSPACES.replace("/v1/", "/v1beta1/"), body)
    assert made.code == 201
    assert made.body["apiVersion"] == "example.org/v1beta1"
    (request,) = judge.asked
    assert request.object["apiVersion"] == "example.org/v1"
    assert request.kind.version == "v1"


async def test_a_webhook_that_is_down_refuses_or_lets_pass_as_it_was_registered(api, judge):
    port = free_port()
    client = {**judge.url("/validate"), "url": f"https://127.0.0.1:{port}/validate"}
    await register(api, "validating", judge.hook(clientConfig=client))
    refused = await api("POST", CONFIG_MAPS, config_map())
    assert (refused.code, refused.reason) == (500, "InternalError")
    assert refused.body["message"] == (
        f'Internal error occurred: failed calling webhook "{NAME}": failed to call webhook: '
        f'Post "https://127.0.0.1:{port}/validate?timeout=10s": dial tcp 127.0.0.1:{port}: connect: connection refused'
    )
    await api("DELETE", f"{HOOKS}/validatingwebhookconfigurations/hooks")
    await register(api, "validating", judge.hook(clientConfig=client, failurePolicy="Ignore"))
    assert (await api("POST", CONFIG_MAPS, config_map())).code == 201


async def test_a_webhook_of_an_unknown_authority_is_not_believed(api, judge, tmp_path):
    other = signing.issue(["127.0.0.1"], datetime.now(UTC), timedelta(days=1))
    client = {**judge.url("/validate"), "caBundle": base64.b64encode(other["authority"]["pem"].encode()).decode()}
    await register(api, "validating", judge.hook(clientConfig=client))
    refused = await api("POST", CONFIG_MAPS, config_map())
    assert refused.code == 500
    assert "tls: failed to verify certificate" in refused.body["message"]
    assert judge.asked == []


async def test_a_slow_webhook_is_waited_for_as_long_as_it_says(api, judge):
    never = asyncio.Event()

    async def wait(_request: AdmissionRequest) -> Verdict:
        await never.wait()
        return Verdict()

    judge.validate = wait
    await register(api, "validating", judge.hook(timeoutSeconds=1))
    refused = await api("POST", CONFIG_MAPS, config_map())
    assert refused.code in (403, 500)
    assert "context deadline exceeded" in refused.body["message"] or "no answer after 1 s" in refused.body["message"]


async def test_a_dry_run_is_asked_of_those_that_can_do_it(api, judge):
    await register(api, "validating", judge.hook())
    assert (await api("POST", CONFIG_MAPS, config_map(), dryRun="All")).code == 201
    assert judge.asked[0].dry_run


async def test_a_write_between_question_and_answer_makes_it_be_asked_again(api, judge):
    await register(api, "validating", judge.hook(rules=[{**RULE, "operations": ["UPDATE"]}]))
    await api("POST", CONFIG_MAPS, config_map(x="1"))
    written = []

    async def interfere(request: AdmissionRequest) -> Verdict:
        if not written:
            written.append(True)
            await api.merge(f"{CONFIG_MAPS}/a", {"data": {"between": "yes"}})
        return Verdict()

    judge.validate = interfere
    assert (await api.merge(f"{CONFIG_MAPS}/a", {"data": {"x": "2"}})).code == 200
    assert (await api("GET", f"{CONFIG_MAPS}/a")).body["data"] == {"x": "2", "between": "yes"}
    assert judge.asked[-1].old_object["data"] == {"x": "1", "between": "yes"}


async def test_a_service_leads_to_its_ready_endpoints(api, judge):
    service = {"service": {"namespace": "default", "name": "judge", "path": "/validate"}, "caBundle": judge.bundle}
    await register(api, "validating", judge.hook(clientConfig=service))
    failed = await api("POST", CONFIG_MAPS, config_map())
    assert 'service "judge" not found' in failed.body["message"]
    spec = {"ports": [{"port": 443, "targetPort": 9443}]}
    await api("POST", "/api/v1/namespaces/default/services", {"metadata": {"name": "judge"}, "spec": spec})
    failed = await api("POST", CONFIG_MAPS, config_map())
    assert 'no endpoints available for service "judge"' in failed.body["message"]
    endpoints = {
        "metadata": {"name": "judge-1", "labels": {"kubernetes.io/service-name": "judge"}},
        "addressType": "IPv4",
        "endpoints": [{"addresses": ["127.0.0.1"], "conditions": {"ready": True}}],
        "ports": [{"port": judge.server.port, "name": ""}],
    }
    await api("POST", "/apis/discovery.k8s.io/v1/namespaces/default/endpointslices", endpoints)
    assert (await api("POST", CONFIG_MAPS, config_map())).code == 201
    assert len(judge.asked) == 1


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"name": "short"}, "webhooks[0].name"),
        ({"sideEffects": "Some"}, "webhooks[0].sideEffects"),
        ({"sideEffects": None}, "webhooks[0].sideEffects"),
        ({"admissionReviewVersions": ["v2"]}, "webhooks[0].admissionReviewVersions"),
        ({"timeoutSeconds": 31}, "webhooks[0].timeoutSeconds"),
        ({"failurePolicy": "Maybe"}, "webhooks[0].failurePolicy"),
        ({"clientConfig": {}}, "webhooks[0].clientConfig"),
        ({"clientConfig": {"url": "http://insecure"}}, "webhooks[0].clientConfig.url"),
        ({"rules": [{**RULE, "operations": []}]}, "webhooks[0].rules[0].operations"),
        ({"rules": [{**RULE, "scope": "Galaxy"}]}, "webhooks[0].rules[0].scope"),
        ({"matchConditions": [{"name": "x", "expression": "((("}]}, "webhooks[0].matchConditions[0].expression"),
    ],
)
async def test_a_wrong_configuration_is_refused_by_field(api, judge, change, field):
    body = {"metadata": {"name": "hooks"}, "webhooks": [judge.hook(**change)]}
    refused = await api("POST", f"{HOOKS}/validatingwebhookconfigurations", body)
    assert refused.code == 422
    assert field in [cause["field"] for cause in refused.body["details"]["causes"]]


async def test_webhooks_are_not_asked_about_webhook_configurations(api, judge):
    everything = {**RULE, "apiGroups": ["*"], "apiVersions": ["*"], "resources": ["*"]}
    await register(api, "validating", judge.hook(rules=[everything]))
    judge.validate = refuse
    assert (await api("DELETE", f"{HOOKS}/validatingwebhookconfigurations/hooks")).code == 200
    assert judge.asked == []


async def test_a_table_counts_the_webhooks(api, judge):
    await register(api, "mutating", judge.hook("/mutate"), judge.hook("/second", name="second.example.org"))
    table = await api(
        "GET", f"{HOOKS}/mutatingwebhookconfigurations", accept="application/json;as=Table;v=v1;g=meta.k8s.io"
    )
    assert table.body["rows"][0]["cells"][:2] == ["hooks", 2]
