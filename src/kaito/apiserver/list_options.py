"""What a list or watch may ask for. Source: apimachinery `apis/meta/internalversion/validation`."""

from typing import Final

from kaito.apiserver.request import Options
from kaito.apiserver.schema import Cause, FieldError, invalid_error, not_supported

_EXACT: Final = "Exact"
_NOT_OLDER: Final = "NotOlderThan"
_MATCH: Final = "resourceVersionMatch"


def require_list_options(options: Options, *, watch: bool) -> None:
    """Raise the 422 of options that contradict each other."""
    errors = _watch_errors(options) if watch else _list_errors(options)
    if errors:
        raise invalid_error("meta.k8s.io", "ListOptions", "", errors)


def _list_errors(options: Options) -> list[FieldError]:
    match, errors = options.text(_MATCH), []
    if match:
        if not options.text("resourceVersion"):
            errors.append(_forbidden(f"{_MATCH} is forbidden unless resourceVersion is provided"))
        if options.text("continue"):
            errors.append(_forbidden(f"{_MATCH} is forbidden when continue is provided"))
        if match not in (_EXACT, _NOT_OLDER):
            errors.append(not_supported(_MATCH, match, [_EXACT, _NOT_OLDER, ""]))
        if match == _EXACT and options.text("resourceVersion") == "0":
            errors.append(_forbidden(f'{_MATCH} "exact" is forbidden for resourceVersion "0"'))
    if options.text("sendInitialEvents"):
        errors.append(FieldError(Cause.FORBIDDEN, "sendInitialEvents", None, "sendInitialEvents is forbidden for list"))
    return errors


def _watch_errors(options: Options) -> list[FieldError]:
    match, errors = options.text(_MATCH), []
    streams = bool(options.text("sendInitialEvents"))
    if streams and match != _NOT_OLDER:
        errors.append(_forbidden(f"sendInitialEvents requires setting {_MATCH} to {_NOT_OLDER}"))
    if match:
        if not streams:
            errors.append(_forbidden(f"{_MATCH} is forbidden for watch unless sendInitialEvents is provided"))
        if match != _NOT_OLDER:
            errors.append(not_supported(_MATCH, match, [_NOT_OLDER]))
        if options.text("continue"):
            errors.append(_forbidden(f"{_MATCH} is forbidden when continue is provided"))
    return errors


def _forbidden(detail: str) -> FieldError:
    return FieldError(Cause.FORBIDDEN, _MATCH, None, detail)
