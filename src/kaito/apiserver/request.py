"""What a request asks for: its path taken apart, its options, and the formats that it accepts and sends."""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import msgspec
import orjson
import yaml

from kaito.apiserver import protobuf, status
from kaito.apiserver.resources import GroupVersion, Resource
from kaito.apiserver.schema import Cause, named_type, with_zero_values
from kaito.core.errors import InvalidError, Status
from kaito.core.objects import Key, Object

JSON = "application/json"
YAML = "application/yaml"
JSON_PATCH = "application/json-patch+json"
MERGE_PATCH = "application/merge-patch+json"
STRATEGIC_PATCH = "application/strategic-merge-patch+json"
APPLY_PATCH = "application/apply-patch+yaml"
PATCH_TYPES = (JSON_PATCH, MERGE_PATCH, STRATEGIC_PATCH, APPLY_PATCH)

_OBJECT_META = named_type("meta.v1.ObjectMeta")
_NAMESPACE_SUBRESOURCES = ("status", "finalize")


@dataclass(frozen=True)
class Target:
    """The part of the API that a path names."""

    gv: GroupVersion
    plural: str
    namespace: str = ""
    name: str = ""
    subresource: str = ""
    tail: str = ""

    @property
    def key(self) -> Key:
        """Namespace and name of the named object."""
        return Key(self.namespace, self.name)


def parse_path(path: str) -> Target | None:
    """Return what a path below /api or /apis names, or None when it is no resource path."""
    parts = path.strip("/").split("/")
    if parts[0] == "api" and len(parts) >= 3:
        gv, rest = GroupVersion("", parts[1]), parts[2:]
    elif parts[0] == "apis" and len(parts) >= 4:
        gv, rest = GroupVersion(parts[1], parts[2]), parts[3:]
    else:
        return None
    namespace = ""
    if rest[0] == "namespaces" and len(rest) >= 3 and rest[2] not in _NAMESPACE_SUBRESOURCES:
        namespace, rest = rest[1], rest[2:]
    name = rest[1] if len(rest) > 1 else ""
    subresource = rest[2] if len(rest) > 2 else ""
    if gv == ("", "v1") and rest[0] == "namespaces":
        return Target(gv, "namespaces", "", name, subresource)
    return Target(gv, rest[0], namespace, name, subresource, "/".join(rest[3:]))


@dataclass(frozen=True)
class Options:
    """Query options of all verbs. `deletion` holds the `DeleteOptions` of a delete, from body and query together."""

    query: Mapping[str, str] = field(default_factory=dict)

    def text(self, name: str) -> str:
        """Return an option, empty when it is not given."""
        return self.query.get(name, "")

    def flag(self, name: str) -> bool:
        """Return whether a boolean option is set."""
        value = self.text(name)
        if value not in ("", "0", "1", "true", "false", "True", "False", "t", "f"):
            raise status.bad_request(f'invalid value "{value}" for option {name}: must be a boolean')
        return value in ("1", "true", "True", "t")

    def number(self, name: str) -> int | None:
        """Return an integer option, or None; 400 when it is not one."""
        value = self.text(name)
        if not value:
            return None
        try:
            return int(value)
        except ValueError:
            raise status.bad_request(f'invalid value "{value}" for option {name}: must be an integer') from None

    @property
    def dry_run(self) -> bool:
        """Whether nothing may be stored."""
        value = self.text("dryRun")
        if value not in ("", "All"):
            raise status.bad_request(f'Invalid value: "{value}": dryRun: supported values: "All"')
        return value == "All"

    @property
    def field_validation(self) -> str:
        """`Strict`, `Warn` (the default) or `Ignore`."""
        value = self.text("fieldValidation") or "Warn"
        if value not in ("Strict", "Warn", "Ignore"):
            raise status.bad_request(
                f'fieldValidation: Unsupported value: "{value}": supported values: "Ignore", "Strict", "Warn"'
            )
        return value


class DeleteOptions(msgspec.Struct, frozen=True, rename="camel"):
    """`metav1.DeleteOptions`, as far as it is honoured."""

    class Preconditions(msgspec.Struct, frozen=True, rename="camel"):
        """What must be true of the object that is deleted."""

        uid: str | None = None
        resource_version: str | None = None

    grace_period_seconds: int | None = None
    propagation_policy: str | None = None
    orphan_dependents: bool | None = None
    preconditions: Preconditions = Preconditions()
    dry_run: tuple[str, ...] = ()


def delete_options(options: Options, body: bytes, content_type: str) -> DeleteOptions:
    """Return the options of a delete: the body's, else the query's."""
    raw: Any = decode(body, content_type) if body.strip() else {}
    if not isinstance(raw, dict):
        raise status.bad_request("invalid DeleteOptions: must be of type object")
    if grace := options.number("gracePeriodSeconds"):
        raw.setdefault("gracePeriodSeconds", grace)
    elif options.text("gracePeriodSeconds") == "0":
        raw.setdefault("gracePeriodSeconds", 0)
    if policy := options.text("propagationPolicy"):
        raw.setdefault("propagationPolicy", policy)
    if options.dry_run:
        raw["dryRun"] = ["All"]
    try:
        return msgspec.convert({name: value for name, value in raw.items() if value is not None}, DeleteOptions)
    except msgspec.ValidationError as error:
        raise status.bad_request(f"invalid DeleteOptions: {error}") from None


def decode(body: bytes, content_type: str) -> Any:
    """Return the body as JSON values; 400 when it does not parse, 415 for other formats."""
    media = media_type(content_type)
    try:
        if media == APPLY_PATCH:
            return _decode_applied(body)
        if media == YAML:
            return _decode_yaml(body)
        if media in ("", JSON, MERGE_PATCH, STRATEGIC_PATCH, JSON_PATCH):
            return orjson.loads(body)
        if media == protobuf.MEDIA_TYPE:
            return protobuf.decode(body)
    except (ValueError, yaml.YAMLError) as error:
        raise status.bad_request(f"the object provided is unrecognized: couldn't get version/kind; {error}") from None
    raise status.unsupported_media_type(media, (JSON, YAML, protobuf.MEDIA_TYPE))


def media_type(content_type: str) -> str:
    """Return a content type without its parameters, in lower case."""
    return content_type.partition(";")[0].strip().lower()


def require_patch_type(media: str, *, custom: bool) -> None:
    """Raise the 415 of a patch in a format that the resource does not take."""
    accepted = [kind for kind in PATCH_TYPES if kind != STRATEGIC_PATCH or not custom]
    if media not in accepted:
        raise status.unsupported_media_type(media, accepted)


def _decode_yaml(body: bytes) -> Any:
    if body.lstrip()[:1] == b"{":  # what clients send for apply is JSON nearly always
        with suppress(ValueError):
            return orjson.loads(body)
    return yaml.load(body, Loader=_JSON_YAML)  # noqa: S506 - a safe loader


def _decode_applied(body: bytes) -> Any:
    try:
        value = _decode_yaml(body)
    except (ValueError, yaml.YAMLError) as error:
        mark, problem = getattr(error, "problem_mark", None), getattr(error, "problem", error)
        line = (mark.line if mark else 0) + isinstance(error, yaml.scanner.ScannerError)  # as go-yaml counts
        words = f"error converting YAML to JSON: yaml: {f'line {line}: ' if line else ''}{problem}"
        raise status.bad_request(f"error decoding YAML: {words}") from None
    if isinstance(value, dict):
        return value
    found = {str: "string", list: "array", bool: "bool", int: "number", float: "number"}.get(type(value), "null")
    words = f"json: cannot unmarshal {found} into Go value of type map[string]interface {{}}"
    raise status.bad_request(f"error decoding YAML: error unmarshaling JSON: while decoding JSON: {words}")


class _JsonYamlLoader(yaml.CSafeLoader if hasattr(yaml, "CSafeLoader") else yaml.SafeLoader):  # type: ignore[misc]
    """YAML as Kubernetes reads it: timestamps stay text."""


_JsonYamlLoader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_JSON_YAML = _JsonYamlLoader


@dataclass(frozen=True)
class Accepted:
    """The form in which an answer is wanted: a Table, metadata alone, or the objects themselves."""

    table: bool = False
    partial: bool = False


def parse_accept(header: str) -> Accepted:
    """Return the first form of an Accept header that is served; 406 when none is."""
    if not header:
        return Accepted()
    for clause in header.split(","):
        media, *parameters = (part.strip() for part in clause.split(";"))
        given = dict(part.partition("=")[::2] for part in parameters)
        if media not in (JSON, "*/*", "application/*"):
            continue
        if given.get("as") == "Table" and given.get("v") == "v1":
            return Accepted(table=True)
        if given.get("as", "").startswith("PartialObjectMetadata") and given.get("v") == "v1":
            return Accepted(partial=True)
        if "as" not in given:
            return Accepted()
    raise status.not_acceptable((JSON,))


class WrongTypeError(InvalidError):
    """400: a value is of another type than its field."""

    def __init__(self, message: str) -> None:
        super().__init__(Status(400, "BadRequest", message))


def expect_applied(body: Object, resource: Resource) -> Object:
    """Return the body of an apply; 400 when it is an object of another kind or version."""
    api_version, kind = body.get("apiVersion", ""), body.get("kind", "")
    if (api_version, kind) != (resource.api_version, resource.kind):
        named = api_version if "/" in str(api_version) else f"/{api_version}"
        raise status.bad_request(f"invalid object type: {named}, Kind={kind}")
    return {**body, "metadata": part(body, "metadata")}


def expect_object(body: Object, resource: Resource) -> Object:
    """Return a body with its metadata as Go reads it; 400 when a value in there is of another type."""
    metadata = read_metadata(body)
    for error in _OBJECT_META.validate(metadata):
        if error.cause is Cause.TYPE_INVALID:
            words = f'{resource.kind} in version "{resource.gv.version}" cannot be handled as a {resource.kind}'
            raise WrongTypeError(f"{words}: metadata.{error}")
    body["metadata"] = metadata
    return body


def read_metadata(body: Object) -> Object:
    """Return the metadata as Go reads it: a null is no value, and an empty one among labels and other members."""
    return _OBJECT_META.default(with_zero_values(part(body, "metadata"), _OBJECT_META))


def part(body: Object, name: str) -> Object:
    """Return an object's field that is an object itself, empty when it is absent; 400 when it is something else."""
    value = body.get(name)
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise WrongTypeError(f"{name} must be an object")
    return value
