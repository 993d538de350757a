"""Texts with a form: names, labels, images, URLs. Each is a CEL rule on the field, since `pattern` has no message.

The patterns are read by RE2 (the API server), by Rust's regex (the embedded one) and by Python's: no look-around, no
backslash, no `[` inside a class. A reference may also be one of the examples' placeholders (`ACR_REPO_HERE`): those
manifests apply, with a warning, and end before anything is bought.
"""

from typing import Annotated, Any, Final

from pydantic import Field

from kaito.api.fields import Rule, rules

Schema = dict[str, Any]
"""A JSON schema, or a part of one."""

_WORD: Final = "[A-Za-z0-9]([-_.A-Za-z0-9]*[A-Za-z0-9])?"
_DNS_LABEL: Final = "[a-z0-9]([-a-z0-9]*[a-z0-9])?"
_DNS_1123: Final = f"{_DNS_LABEL}([.]{_DNS_LABEL})*"
_PLACEHOLDER: Final = "[!-~]*[A-Z0-9]_HERE[!-~]*"

WORKSPACE_NAME: Final = "^[a-z]([-a-z0-9]*[a-z0-9])?$"
"""DNS-1035, because Services are called so."""

OBJECT_NAME: Final = f"^{_DNS_1123}$"
REFERENCE: Final = f"^({_DNS_1123}|{_PLACEHOLDER})$"
LABEL_VALUE: Final = f"^({_WORD})?$"
LABEL_KEY: Final = f"^({_DNS_1123}/)?[A-Za-z0-9]([-_.A-Za-z0-9]{{0,61}}[A-Za-z0-9])?$"
PRESET_NAME: Final = f"^{_WORD}(/{_WORD})?$"
IMAGE: Final = (
    "^(([A-Za-z0-9]([-.A-Za-z0-9]*[A-Za-z0-9])?(:[0-9]+)?/)?"
    "[a-z0-9]+(([.]|_|__|-+)[a-z0-9]+)*(/[a-z0-9]+(([.]|_|__|-+)[a-z0-9]+)*)*"
    f"(:[A-Za-z0-9_][-.A-Za-z0-9_]{{0,127}})?(@sha256:[0-9a-f]{{64}})?|{_PLACEHOLDER})$"
)
"""As container engines read one (distribution/reference)."""

DRIVER: Final = "^[A-Za-z0-9]([-A-Za-z0-9]*[A-Za-z0-9])?([.][A-Za-z0-9]([-A-Za-z0-9]*[A-Za-z0-9])?)*$"
"""A DNS-1123 subdomain, whatever the case: the name of a CSI driver."""

URL: Final = "^https?://[-_.A-Za-z0-9]+(:[0-9]+)?([/?][!-~]*)?$"
MIG_PROFILE: Final = "^[1-9]g[.][1-9][0-9]*gb$"
METHOD: Final = "^[Qq]?[Ll][Oo][Rr][Aa]$"


def matches(pattern: str, message: str) -> Schema:
    """Return the `json_schema_extra` of a text that has this form."""
    return rules(Rule(f"self.matches('{pattern}')", message))


def name_of(what: str) -> Any:
    """Return the field of a text that names an object of the Workspace's namespace."""
    form = "at most 253 lower-case letters, digits, '-' and '.', a letter or digit at both ends"
    return Field(max_length=253, json_schema_extra=matches(REFERENCE, f"must be the name of a {what}: {form}"))


SecretName = Annotated[str, name_of("Secret")]
ConfigMapName = Annotated[str, name_of("ConfigMap")]

Image = Annotated[
    str,
    Field(
        max_length=512,
        json_schema_extra=matches(IMAGE, "must be an image reference, as registry.example.org/team/name:tag"),
    ),
]

Url = Annotated[
    str,
    Field(
        max_length=2048,
        json_schema_extra=matches(
            URL, "must be an http or https URL without credentials, as https://example.org/data.parquet"
        ),
    ),
]

LabelValue = Annotated[
    str,
    Field(
        max_length=63,
        json_schema_extra=matches(
            LABEL_VALUE, "must be a label value: letters, digits, '-', '_' and '.', a letter or digit at both ends"
        ),
    ),
]

LABEL_KEY_MESSAGE: Final = (
    "must be label keys: at most 63 letters, digits, '-', '_' and '.', a letter or digit at both ends, "
    "perhaps after a domain of at most 253 characters and '/'"
)
LABEL_KEY_RULE: Final = f"size(KEY) <= 317 && KEY.matches('{LABEL_KEY}')"

LabelKey = Annotated[
    str,
    Field(
        max_length=317,
        json_schema_extra=rules(
            Rule(LABEL_KEY_RULE.replace("KEY", "self"), LABEL_KEY_MESSAGE.replace("label keys", "a label key"))
        ),
    ),
]
