"""What every object's metadata must look like, and what the server itself writes there."""

import random
import re
import uuid
from collections.abc import Callable, Iterable
from typing import Any, Final

from kaito.apiserver import status
from kaito.apiserver.request import Target
from kaito.apiserver.resources import Resource
from kaito.apiserver.schema import Cause, FieldError, invalid, quoted, required
from kaito.core.objects import Object

_SUFFIX_LETTERS: Final = "bcdfghjklmnpqrstvwxz2456789"
"""Letters of generated name suffixes: no vowels, so that no words appear (k8s.io/apimachinery `util/rand`)."""
_MAX_GENERATED_PREFIX: Final = 58

_LABEL = r"[a-z0-9]([-a-z0-9]*[a-z0-9])?"
_SUBDOMAIN = rf"{_LABEL}(\.{_LABEL})*"
_NAME_RULES: Final = {
    "subdomain": (
        re.compile(_SUBDOMAIN),
        253,
        "a lowercase RFC 1123 subdomain",
        "'-' or '.', and must start and end with",
    ),
    "label": (re.compile(_LABEL), 63, "a lowercase RFC 1123 label", "'-', and must start and end with"),
    "label1035": (
        re.compile(r"[a-z]([-a-z0-9]*[a-z0-9])?"),
        63,
        "a DNS-1035 label",
        "'-', start with an alphabetic character, and end with",
    ),
}
_EXAMPLES: Final = {
    "subdomain": "e.g. 'example.com'",
    "label": "e.g. 'my-name',  or '123-abc'",
    "label1035": "e.g. 'my-name',  or 'abc-123'",
}
_QUALIFIED_NAME = re.compile(rf"(?:{_SUBDOMAIN}/)?[A-Za-z0-9](?:[-A-Za-z0-9_.]{{0,61}}[A-Za-z0-9])?")
_LABEL_VALUE = re.compile(r"(?:[A-Za-z0-9](?:[-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?")
_WORD_RULE = (
    "consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character "
    "(e.g. 'My{name}',  or 'my{dot}{lower}',  or '{last}', regex used for validation is '{pattern}')"
)
_LABEL_VALUE_RULE = "a valid label must be an empty string or " + _WORD_RULE.format(
    name="Value", dot="_", lower="value", last="12345", pattern="(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?"
)
_QUALIFIED_NAME_RULE = "name part must " + _WORD_RULE.format(
    name="Name", dot=".", lower="name", last="123-abc", pattern="([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]"
)
_IMMUTABLE = ("name", "namespace", "uid", "creationTimestamp", "deletionTimestamp", "deletionGracePeriodSeconds")


def new_uid(chance: random.Random) -> str:
    """Return a random UUID (version 4)."""
    return str(uuid.UUID(int=chance.getrandbits(128), version=4))


def generated_name(prefix: str, chance: random.Random) -> str:
    """Return a name for `generateName`: the prefix and five random letters."""
    return prefix[:_MAX_GENERATED_PREFIX] + "".join(chance.choices(_SUFFIX_LETTERS, k=5))


def address(obj: Object, resource: Resource, target: Target) -> None:
    """Put the namespace and name of the request's path into the object; 400 when it names others."""
    metadata = obj["metadata"]
    if resource.namespaced:
        if metadata.setdefault("namespace", target.namespace) != target.namespace:
            raise status.bad_request(
                "the namespace of the provided object does not match the namespace sent on the request"
            )
    else:
        metadata.pop("namespace", None)
    if target.name and (metadata.get("name") or target.name) != target.name:
        raise status.bad_request(
            f"the name of the object ({metadata['name']}) does not match the name on the URL ({target.name})"
        )
    if target.name:
        metadata["name"] = target.name


def require_name(obj: Object, target: Target) -> None:
    """Raise the 400 of an object that does not say its name, for whoever patches must leave it there."""
    if not obj["metadata"].get("name"):
        words = f"the name of the object ({target.name} based on URL) was undeterminable: name must be provided"
        raise status.bad_request(words)


def begin(obj: Object, now: str, chance: random.Random, taken: Callable[[str], bool]) -> None:
    """Write the metadata of a new object. `now` is its creation time; a generated name that is `taken` is left alone.

    After so many names that are all taken, the last one stays, for the caller to refuse.
    """
    metadata = obj["metadata"]
    if not metadata.get("name") and metadata.get("generateName"):
        for _ in range(_NAMES_TRIED):
            metadata["name"] = generated_name(metadata["generateName"], chance)
            if not taken(metadata["name"]):
                break
    for name in ("deletionTimestamp", "deletionGracePeriodSeconds", "selfLink", "resourceVersion"):
        metadata.pop(name, None)
    metadata["uid"] = new_uid(chance)
    metadata["creationTimestamp"] = now


_NAMES_TRIED: Final = 8
"""Source: `maxNameGenerationCreateAttempts` of apiserver."""
_OMITTED_WHEN_EMPTY = ("labels", "annotations", "finalizers", "ownerReferences")
_STANDARD_FINALIZERS = ("kubernetes", "orphan", "foregroundDeletion")
_ANNOTATION_BYTES = 256 * 1024
"""All keys and values together. Source: `TotalAnnotationSizeLimitB` of apimachinery."""


def carry_over(new: Object, old: Object) -> list[FieldError]:
    """Keep what an update may not change; return an error for each such field that it tries to."""
    errors = []
    for name in _IMMUTABLE:
        before, after = old["metadata"].get(name), new["metadata"].get(name)
        if after is not None and after != before and name in ("name", "namespace", "uid"):
            errors.append(invalid(f"metadata.{name}", after, "field is immutable"))
        if before is None:
            new["metadata"].pop(name, None)
        else:
            new["metadata"][name] = before
    if old["metadata"].get("deletionTimestamp"):
        before_finalizers = set(old["metadata"].get("finalizers") or ())
        added = [item for item in new["metadata"].get("finalizers") or () if item not in before_finalizers]
        if added:
            errors.append(
                FieldError(
                    Cause.FORBIDDEN,
                    "metadata.finalizers",
                    None,
                    "no new finalizers can be added if the object is being deleted, "
                    f"found new finalizers []string{{{', '.join(quoted(name) for name in added)}}}",
                )
            )
    new["metadata"].pop("selfLink", None)
    return errors


def validate(obj: Object, resource: Resource) -> list[FieldError]:
    """Return what is wrong with name, labels, annotations, finalizers and owners."""
    metadata = obj["metadata"]
    errors = [*_name_errors(metadata.get("name"), resource), *_label_errors(metadata.get("labels") or {})]
    errors.extend(
        invalid("metadata.annotations", key, _QUALIFIED_NAME_RULE)
        for key in metadata.get("annotations") or {}
        if not _QUALIFIED_NAME.fullmatch(key.lower())
    )
    errors.extend(_annotation_size(metadata.get("annotations") or {}))
    for name in metadata.get("finalizers") or ():
        if not _QUALIFIED_NAME.fullmatch(name):
            words = [] if name else ["name part must be non-empty"]
            errors.extend(invalid("metadata.finalizers", name, word) for word in [*words, _QUALIFIED_NAME_RULE])
    if not resource.custom and resource.group != "apiextensions.k8s.io":
        errors.extend(_finalizer_errors(metadata.get("finalizers") or ()))
    for owner in metadata.get("ownerReferences") or ():
        missing = [name for name in ("apiVersion", "kind", "name", "uid") if not owner.get(name)]
        errors.extend(invalid(f"metadata.ownerReferences.{name}", "", "must not be empty") for name in missing)
    if sum(1 for owner in metadata.get("ownerReferences") or () if owner.get("controller")) > 1:
        owners = metadata["ownerReferences"]
        detail = "Only one reference can have Controller set to true."
        errors.append(invalid("metadata.ownerReferences", owners, detail))
    return errors


def drop_empty(obj: Object) -> None:
    """Take empty lists and maps out of the metadata: to the API they are the same as absent ones."""
    metadata = obj.get("metadata") or {}
    for name in _OMITTED_WHEN_EMPTY:
        if name in metadata and not metadata[name]:
            del metadata[name]


def _annotation_size(annotations: dict[str, Any]) -> list[FieldError]:
    size = sum(len(key.encode()) + len(str(value).encode()) for key, value in annotations.items())
    if size <= _ANNOTATION_BYTES:
        return []
    detail = f"may not be more than {_ANNOTATION_BYTES} bytes"
    return [FieldError(Cause.TOO_LONG, "metadata.annotations", None, detail)]


def _finalizer_errors(finalizers: Iterable[str]) -> list[FieldError]:
    """Return an error for each name without a domain that is none of Kubernetes' own; custom resources may have any."""
    detail = "name is neither a standard finalizer name nor is it fully qualified"
    return [
        invalid(f"metadata.finalizers[{index}]", name, detail)
        for index, name in enumerate(finalizers)
        if "/" not in name and name not in _STANDARD_FINALIZERS
    ]


def _name_errors(name: str | None, resource: Resource) -> list[FieldError]:
    if not name:
        return [required("metadata.name", "name or generateName is required")]
    if resource.storage_key == "events":
        return []
    rule = {"namespaces": "label", "services": "label1035"}.get(resource.storage_key, "subdomain")
    pattern, limit, what, edges = _NAME_RULES[rule]
    if len(name) > limit:
        return [invalid("metadata.name", name, f"must be no more than {limit} characters")]
    if pattern.fullmatch(name):
        return []
    words = (
        f"{what} must consist of lower case alphanumeric characters{',' if rule != 'label' else ' or'} {edges} an "
        f"alphanumeric character ({_EXAMPLES[rule]}, regex used for validation is '{pattern.pattern}')"
    )
    return [invalid("metadata.name", name, words)]


def _label_errors(labels: dict[str, Any]) -> list[FieldError]:
    errors = []
    for key, value in labels.items():
        if not _QUALIFIED_NAME.fullmatch(key):
            errors.append(invalid("metadata.labels", key, _QUALIFIED_NAME_RULE))
        if not isinstance(value, str) or not _LABEL_VALUE.fullmatch(value):
            errors.append(invalid("metadata.labels", value, _LABEL_VALUE_RULE))
    return errors
