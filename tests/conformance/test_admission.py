"""Webhooks: what they are asked, what their answers do, and in which words their failures are told."""

import base64
import re
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from asking import JSON_PATCH, Answer, Api
from webhook import CONFIGURATIONS, Reply, Webhook, deny, patch, registered

from kaito.core.certificates import signing

DENIED = 'admission webhook "judge.example.org" denied the request'
FAILED = 'failed calling webhook "judge.example.org"'
UNSENT, SENT = "failed to call webhook", "received invalid webhook response"


@pytest.fixture
def webhook(tmp_path: Path) -> Iterator[Webhook]:
    webhook = Webhook(tmp_path)
    yield webhook
    webhook.close()


class Place:
    """A namespace with a webhook for its ConfigMaps."""

    def __init__(self, api: Api, namespace: str, webhook: Webhook) -> None:
        self.api, self.namespace, self.webhook = api, namespace, webhook
        self.config_maps = f"/api/v1/namespaces/{namespace}/configmaps"

    def create(self, name: str = "one", **params: Any) -> Answer:
        return self.api.post(self.config_maps, {"metadata": {"name": name}, "data": {"a": "1"}}, **params)

    def registered(
        self,
        kind: str = "validating",
        client: dict[str, Any] | None = None,
        effect: Callable[[Answer], bool] | None = None,
        **changes: Any,
    ) -> AbstractContextManager[None]:
        """Register the webhook, and wait until it is asked, or has the `effect` on a dry run."""

        def felt() -> bool:
            answer = self.create("probe", dryRun="All")
            return effect(answer) if effect else bool(self.webhook.asked)

        client = client or self.webhook.client_config()
        return registered(self.api, self.namespace, kind, client, effect=felt, **changes)


def is_refused(answer: Answer) -> bool:
    return answer.code != 201


@pytest.fixture
def place(api: Api, namespace: str, webhook: Webhook) -> Place:
    return Place(api, namespace, webhook)


REFUSALS: dict[str, tuple[Reply, tuple[int, str, str]]] = {
    "a message": (deny(message="not today"), (400, "", f"{DENIED}: not today")),
    "nothing": (deny(), (400, "", f"{DENIED} without explanation")),
    "a reason alone": (deny(reason="Forbidden"), (400, "Forbidden", f"{DENIED}: Forbidden")),
    "a code": (deny(code=403, message="no"), (403, "", f"{DENIED}: no")),
    "a code that is none of a refusal": (deny(code=201, message="no"), (400, "", f"{DENIED}: no")),
}


@pytest.mark.parametrize("case", REFUSALS)
def test_a_refusal_is_passed_on(place: Place, case: str) -> None:
    reply, expected = REFUSALS[case]
    with place.registered():
        place.webhook.reply = reply
        answer = place.create()
        assert (answer.code, answer.reason, answer.message) == expected
        assert place.api.get(f"{place.config_maps}/one").code == 404


def test_a_refusal_by_field_keeps_its_causes_and_warnings_come_with_it(place: Place) -> None:
    causes = [{"reason": "UnknownPreset", "message": "is not known", "field": "data.a"}]
    details = {"name": "one", "kind": "ConfigMap", "causes": causes}
    status = {"code": 422, "reason": "Invalid", "message": "no", "details": details}
    with place.registered():
        place.webhook.reply = lambda _request: {"allowed": False, "status": status, "warnings": ["mind the gap"]}
        answer = place.create()
        assert (answer.code, answer.reason, answer.causes) == (422, "Invalid", [("UnknownPreset", "data.a")])
        assert answer.headers.get_list("Warning") == ['299 - "mind the gap"']


@pytest.mark.parametrize(
    ("warning", "header"),
    [
        ("mind the gap", '299 - "mind the gap"'),
        ('a "quoted" one \\', '299 - "a \\"quoted\\" one \\\\"'),
        ("x" * 300, f'299 - "{"x" * 300}"'),
    ],
    ids=["plain", "quotes", "long"],
)
def test_a_warning_is_a_header(place: Place, warning: str, header: str) -> None:
    with place.registered():
        place.webhook.reply = lambda _request: {"allowed": True, "warnings": [warning]}
        answer = place.create(dryRun="All")
        assert (answer.code, answer.headers.get_list("Warning")) == (201, [header])


BAD_ANSWERS: dict[str, tuple[Reply, str]] = {
    "no JSON": ((200, b"<html>"), f"{UNSENT}: couldn't get version/kind; json parse error: "),
    "another kind": (
        (200, b'{"apiVersion": "admission.k8s.io/v1", "kind": "Other"}'),
        f'{UNSENT}: no kind "Other" is registered for version "admission.k8s.io/v1"',
    ),
    "no response": (
        (200, b'{"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview"}'),
        f"{SENT}: webhook response was absent",
    ),
    "another uid": (
        lambda _request: {"uid": "x", "allowed": True},
        f'{SENT}: expected response.uid="',
    ),
    "status 500": (
        (500, b"broken"),
        f'{UNSENT}: an error on the server ("unknown") has prevented the request from succeeding',
    ),
    "status 404": ((404, b"none"), f"{UNSENT}: the server could not find the requested resource"),
    "a patch from a validating one": (
        patch({"op": "add", "path": "/data/b", "value": "2"}),
        f"{SENT}: validating webhook may not return response.patch",
    ),
}


@pytest.mark.parametrize("case", BAD_ANSWERS)
def test_an_answer_that_makes_no_sense_is_a_failed_call(place: Place, case: str) -> None:
    reply, said = BAD_ANSWERS[case]
    with place.registered():
        place.webhook.reply = reply
        answer = place.create()
        assert (answer.code, answer.reason) == (500, "InternalError")
        assert answer.message.startswith(f"Internal error occurred: {FAILED}: {said}")


def test_a_failure_is_overlooked_where_the_policy_says_so(place: Place) -> None:
    with place.registered(failurePolicy="Ignore"):
        place.webhook.reply = (500, b"broken")
        assert place.create().code == 201


def test_a_webhook_that_nobody_serves_is_a_failed_call(place: Place, tmp_path: Path) -> None:
    gone = Webhook(tmp_path)
    client = gone.client_config()
    gone.close()
    with place.registered(client=client, effect=is_refused):
        answer = place.create()
    said = rf'{FAILED}: failed to call webhook: Post "{client["url"]}\?timeout=10s": dial tcp 127.0.0.1:{gone.port}: '
    assert (answer.code, answer.reason) == (500, "InternalError")
    assert re.search(said + "connect: connection refused$", answer.message), answer.message


def test_a_webhook_of_an_unknown_authority_is_a_failed_call(place: Place) -> None:
    other = signing.issue(["127.0.0.1"], datetime.now(UTC), timedelta(days=1))["authority"]["pem"]
    client = place.webhook.client_config(caBundle=base64.b64encode(other.encode()).decode())
    with place.registered(client=client, effect=is_refused):
        answer = place.create()
    assert answer.code == 500
    assert "tls: failed to verify certificate: x509: certificate signed by unknown authority" in answer.message


def test_a_webhook_is_waited_for_as_long_as_it_says(place: Place) -> None:
    with place.registered(timeoutSeconds=1):
        place.webhook.reply = lambda _request: time.sleep(4) or {"allowed": True}  # type: ignore[func-returns-value]
        began = time.monotonic()
        answer = place.create()
        assert time.monotonic() - began < 3.5
        assert answer.code == 500
        assert answer.message.endswith(f'{place.webhook.port}/ask?timeout=1s": context deadline exceeded')
    assert place.webhook.paths[-1] == "/ask?timeout=1s"


@pytest.mark.parametrize(
    ("conditions", "code"),
    [
        (["request.operation == 'CREATE'"], 400),
        (["request.operation == 'CREATE'", "object.metadata.name == 'two'"], 201),
        (["object.data.a == '1' && oldObject == null"], 400),
        (["object.data.b == '1'"], 403),
        (["object.data.b == '1'", "object.metadata.name == 'two'"], 201),
    ],
    ids=["true", "one is false", "no old object", "cannot be told", "cannot be told and false"],
)
def test_it_is_asked_when_every_condition_is_true(place: Place, conditions: list[str], code: int) -> None:
    named = [{"name": f"c{index}", "expression": text} for index, text in enumerate(conditions)]
    known = [{"name": "probe", "expression": "object.metadata.name == 'probe'"}]
    place.webhook.reply = deny(message="no")
    with place.registered(matchConditions=known):
        change = [{"op": "replace", "path": "/webhooks/0/matchConditions", "value": named}]
        path = f"{CONFIGURATIONS}/validatingwebhookconfigurations/{place.namespace}"
        assert place.api.patch(path, change, JSON_PATCH).code == 200
        # The change is felt when the probe, which alone was refused before, is answered as the others are.
        answer = place.api.until(lambda: place.create(dryRun="All"), lambda answer: answer.code == code)
        if code == 403:
            why = "expression 'object.data.b == '1'' resulted in error: no such key: b"
            assert answer.message == f'configmaps "one" is forbidden: {why}'


def test_a_mutation_is_stored_and_shown_to_the_validating(place: Place) -> None:
    place.webhook.reply = patch({"op": "add", "path": "/data/b", "value": "2"}, warnings=["added"])
    with place.registered("mutating"):
        made = place.create()
        assert (made.code, made.body["data"]) == (201, {"a": "1", "b": "2"})
        assert made.headers.get_list("Warning") == ['299 - "added"']
        assert place.api.get(f"{place.config_maps}/one").body["data"] == {"a": "1", "b": "2"}


BAD_PATCHES: dict[str, Reply] = {
    "a path that is not there": patch({"op": "remove", "path": "/data/none"}),
    "no patch type": lambda _request: {"allowed": True, "patch": "W10="},
    "an object that is not valid": patch({"op": "add", "path": "/data/a~1b", "value": "2"}),
}
BAD_PATCH_ANSWERS = {
    "a path that is not there": (500, "InternalError"),
    "no patch type": (500, "InternalError"),
    "an object that is not valid": (422, "Invalid"),
}


@pytest.mark.parametrize("case", BAD_PATCHES)
def test_a_patch_that_makes_no_sense_is_refused(place: Place, case: str) -> None:
    with place.registered("mutating"):
        place.webhook.reply = BAD_PATCHES[case]
        answer = place.create()
        assert (answer.code, answer.reason) == BAD_PATCH_ANSWERS[case]


def test_what_it_is_told_of_each_write(place: Place) -> None:
    one = f"{place.config_maps}/one"
    with place.registered():
        place.webhook.asked.clear()
        assert place.create().code == 201
        assert place.api.patch(one, {"data": {"a": "2"}}).code == 200
        assert (
            place.api.apply(
                one, {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "one"}, "data": {"b": "1"}}
            ).code
            == 200
        )
        assert place.api.delete(one).code == 200
        created, patched, applied, deleted = place.webhook.asked
    assert [told["operation"] for told in (created, patched, applied, deleted)] == [
        "CREATE",
        "UPDATE",
        "UPDATE",
        "DELETE",
    ]
    assert set(created) == set(patched) == set(deleted)
    assert (created["object"]["data"], created["oldObject"]) == ({"a": "1"}, None)
    assert (patched["object"]["data"], patched["oldObject"]["data"]) == ({"a": "2"}, {"a": "1"})
    assert applied["object"]["data"] == {"a": "2", "b": "1"}
    assert (deleted["object"], deleted["oldObject"]["data"]) == (None, {"a": "2", "b": "1"})
    kinds = [told["options"]["kind"] for told in (created, patched, applied, deleted)]
    assert kinds == ["CreateOptions", "UpdateOptions", "UpdateOptions", "DeleteOptions"]
    for told in (created, patched, applied, deleted):
        assert told["kind"] == told["requestKind"] == {"group": "", "version": "v1", "kind": "ConfigMap"}
        assert told["resource"] == told["requestResource"] == {"group": "", "version": "v1", "resource": "configmaps"}
        assert (told["name"], told["namespace"], told["dryRun"]) == ("one", place.namespace, False)
        assert "subResource" not in told
        assert told["userInfo"]["username"]


def test_a_refused_deletion_deletes_nothing(place: Place) -> None:
    assert place.create().code == 201
    rules = [{"operations": ["DELETE"], "apiGroups": [""], "apiVersions": ["v1"], "resources": ["configmaps"]}]
    place.webhook.reply = deny(message="keep it")
    deleted = lambda _answer: place.api.delete(f"{place.config_maps}/one", dryRun="All").code == 400  # noqa: E731
    with place.registered(effect=deleted, rules=rules):
        assert place.api.delete(f"{place.config_maps}/one").message == f"{DENIED}: keep it"
        assert place.api.get(f"{place.config_maps}/one").code == 200


BAD_WEBHOOKS: dict[str, tuple[dict[str, Any], tuple[str, str]]] = {
    "a name without a domain": ({"name": "judge"}, ("FieldValueInvalid", "webhooks[0].name")),
    "no side effects told": ({"sideEffects": None}, ("FieldValueRequired", "webhooks[0].sideEffects")),
    "unknown side effects": ({"sideEffects": "Some"}, ("FieldValueNotSupported", "webhooks[0].sideEffects")),
    "no review versions": (
        {"admissionReviewVersions": []},
        ("FieldValueRequired", "webhooks[0].admissionReviewVersions"),
    ),
    "a URL without TLS": (
        {"clientConfig": {"url": "http://127.0.0.1/"}},
        ("FieldValueInvalid", "webhooks[0].clientConfig.url"),
    ),
    "neither URL nor Service": ({"clientConfig": {}}, ("FieldValueRequired", "webhooks[0].clientConfig")),
    "both URL and Service": (
        {"clientConfig": {"url": "https://a/", "service": {"namespace": "a", "name": "b"}}},
        ("FieldValueRequired", "webhooks[0].clientConfig"),
    ),
    "a time-out of a minute": ({"timeoutSeconds": 60}, ("FieldValueInvalid", "webhooks[0].timeoutSeconds")),
    "an unknown failure policy": ({"failurePolicy": "Maybe"}, ("FieldValueNotSupported", "webhooks[0].failurePolicy")),
    "a condition that is no CEL": (
        {"matchConditions": [{"name": "c", "expression": "1 +"}]},
        ("FieldValueInvalid", "webhooks[0].matchConditions[0].expression"),
    ),
    "a condition without a name": (
        {"matchConditions": [{"name": "", "expression": "true"}]},
        ("FieldValueRequired", "webhooks[0].matchConditions[0].name"),
    ),
}


@pytest.mark.parametrize("case", BAD_WEBHOOKS)
def test_a_wrong_configuration_is_refused_by_field(api: Api, namespace: str, case: str) -> None:
    change, cause = BAD_WEBHOOKS[case]
    entry = {
        "name": "judge.example.org",
        "clientConfig": {"url": "https://127.0.0.1/"},
        "admissionReviewVersions": ["v1"],
        "sideEffects": "None",
        **change,
    }
    webhooks = [{key: value for key, value in entry.items() if value is not None}]
    answer = api.post(
        f"{CONFIGURATIONS}/validatingwebhookconfigurations",
        {"metadata": {"name": namespace}, "webhooks": webhooks},
        dryRun="All",
    )
    assert (answer.code, answer.causes) == (422, [cause])


def test_what_a_configuration_leaves_out_is_filled_in(api: Api, namespace: str) -> None:
    entry = {
        "name": "judge.example.org",
        "clientConfig": {"service": {"namespace": "a", "name": "b"}},
        "admissionReviewVersions": ["v1"],
        "sideEffects": "None",
        "rules": [{"operations": ["CREATE"], "apiGroups": [""], "apiVersions": ["v1"], "resources": ["pods"]}],
    }
    body = {"metadata": {"name": namespace}, "webhooks": [entry]}
    filled = {
        **entry,
        "clientConfig": {"service": {"namespace": "a", "name": "b", "port": 443}},
        "failurePolicy": "Fail",
        "matchPolicy": "Equivalent",
        "namespaceSelector": {},
        "objectSelector": {},
        "rules": [{**entry["rules"][0], "scope": "*"}],
        "timeoutSeconds": 10,
    }
    for kind, more in (("validating", {}), ("mutating", {"reinvocationPolicy": "Never"})):
        made = api.post(f"{CONFIGURATIONS}/{kind}webhookconfigurations", body, dryRun="All")
        assert made.body["webhooks"] == [{**filled, **more}]
        assert made.body["metadata"]["generation"] == 1
