"""Webhook configurations: what they must say. Source: admissionregistration's validation in Kubernetes 1.34."""

import re
from typing import Final
from urllib.parse import urlsplit

from kaito.apiserver.schema import Cause, FieldError, invalid, not_supported, required
from kaito.apiserver.schema.expressions import Expression
from kaito.core.objects import Object

_QUALIFIED: Final = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?){2,}")
_CHOICES: Final = {
    "failurePolicy": ("Fail", "Ignore"),
    "matchPolicy": ("Equivalent", "Exact"),
    "reinvocationPolicy": ("IfNeeded", "Never"),
    "sideEffects": ("None", "NoneOnDryRun"),
}
_OPERATIONS: Final = ("*", "CONNECT", "CREATE", "DELETE", "UPDATE")
_LONGEST_SECONDS: Final = 30


def validate_webhooks(configuration: Object) -> list[FieldError]:
    """Return what is wrong with the webhooks of a configuration."""
    errors: list[FieldError] = []
    seen: set[str] = set()
    for index, webhook in enumerate(configuration.get("webhooks") or ()):
        path, name = f"webhooks[{index}]", webhook.get("name", "")
        if not _QUALIFIED.fullmatch(name):
            errors.append(
                invalid(f"{path}.name", name, "should be a domain with at least three segments separated by dots")
            )
        if name in seen:
            errors.append(FieldError(Cause.DUPLICATE, f"{path}.name", name))
        seen.add(name)
        errors += _webhook_errors(path, webhook)
    return errors


def _webhook_errors(path: str, webhook: Object) -> list[FieldError]:
    errors = [
        not_supported(f"{path}.{field}", webhook[field], allowed)
        for field, allowed in _CHOICES.items()
        if field in webhook and webhook[field] not in allowed
    ]
    versions = webhook.get("admissionReviewVersions") or []
    if not versions:
        errors.append(required(f"{path}.admissionReviewVersions", "must specify one of v1, v1beta1"))
    elif not {"v1", "v1beta1"} & set(versions):
        detail = "must include at least one of v1, v1beta1"
        errors.append(invalid(f"{path}.admissionReviewVersions", versions, detail))
    if not 1 <= webhook.get("timeoutSeconds", 1) <= _LONGEST_SECONDS:
        detail = "the timeout value must be between 1 and 30 seconds"
        errors.append(invalid(f"{path}.timeoutSeconds", webhook["timeoutSeconds"], detail))
    errors += _client_errors(f"{path}.clientConfig", webhook["clientConfig"])
    for index, rule in enumerate(webhook.get("rules") or ()):
        errors += _rule_errors(f"{path}.rules[{index}]", rule)
    for index, condition in enumerate(webhook.get("matchConditions") or ()):
        errors += _condition_errors(f"{path}.matchConditions[{index}]", condition)
    return errors


def _client_errors(path: str, client: Object) -> list[FieldError]:
    if ("url" in client) == ("service" in client):
        return [required(path, "exactly one of url or service is required")]
    if "url" not in client:
        return []
    url = urlsplit(client["url"])
    if url.scheme != "https":
        detail = f"'https' is the only allowed URL scheme; desired format: https://host[/path]; got {url.scheme!r}"
        return [invalid(f"{path}.url", client["url"], detail.replace("; got '", '; got "').removesuffix("'") + '"')]
    if not url.netloc:
        return [invalid(f"{path}.url", "", "host must be specified; desired format: https://host[/path]")]
    return []


def _rule_errors(path: str, rule: Object) -> list[FieldError]:
    fields = ("operations", "apiGroups", "apiVersions", "resources")
    errors = [required(f"{path}.{field}") for field in fields if not rule.get(field)]
    errors += [
        not_supported(f"{path}.operations[{index}]", operation, _OPERATIONS)
        for index, operation in enumerate(rule.get("operations") or ())
        if operation not in _OPERATIONS
    ]
    if rule.get("scope") not in ("*", "Cluster", "Namespaced"):
        errors.append(not_supported(f"{path}.scope", rule.get("scope"), ("*", "Cluster", "Namespaced")))
    return errors


def _condition_errors(path: str, condition: Object) -> list[FieldError]:
    errors = [] if condition.get("name") else [required(f"{path}.name")]
    try:
        Expression(condition["expression"])
    except ValueError as error:
        errors.append(invalid(f"{path}.expression", condition["expression"], str(error)))
    return errors
