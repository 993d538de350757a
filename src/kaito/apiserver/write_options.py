"""What a writing request may ask for in its query. Source: apimachinery `apis/meta/v1/validation`."""

from typing import Final

from kaito.apiserver.request import APPLY_PATCH, Options
from kaito.apiserver.schema import Cause, FieldError, invalid, invalid_error, not_supported, required, too_long

MAX_MANAGER: Final = 128
"""Longest name of a field manager, in bytes."""
_KINDS: Final = {"create": "CreateOptions", "update": "UpdateOptions", "patch": "PatchOptions"}
_FIELD_VALIDATION: Final = ("", "Ignore", "Strict", "Warn")


def require_write_options(options: Options, verb: str, media: str) -> None:
    """Raise the 422 of options that are none, or that a write in this format does not have."""
    kind = _KINDS.get(verb)
    if kind is None:
        return
    errors = _patch_errors(options, media) if verb == "patch" else []
    errors += _manager_errors(options.text("fieldManager"))
    if (dry_run := options.text("dryRun")) not in ("", "All"):
        errors.append(not_supported("dryRun", [dry_run], ["All"]))
    if (level := options.text("fieldValidation")) not in _FIELD_VALIDATION:
        errors.append(not_supported("fieldValidation", level, _FIELD_VALIDATION))
    if errors:
        raise invalid_error("meta.k8s.io", kind, "", errors)


def _patch_errors(options: Options, media: str) -> list[FieldError]:
    if media == APPLY_PATCH:
        return [] if options.text("fieldManager") else [required("fieldManager", "is required for apply patch")]
    if not options.text("force"):
        return []
    return [FieldError(Cause.FORBIDDEN, "force", None, "may not be specified for non-apply patch")]


def _manager_errors(name: str) -> list[FieldError]:
    errors = [too_long("fieldManager", MAX_MANAGER)] if len(name.encode()) > MAX_MANAGER else []
    for place, letter in enumerate(name):
        if not letter.isprintable():
            errors.append(invalid("fieldManager", name, f"invalid character U+{ord(letter):04X} (at position {place})"))
    return errors
