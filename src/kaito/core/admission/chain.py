"""Several handlers at one path."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import jsonpatch
import msgspec

from kaito.core.admission.review import AdmissionRequest, Handler, Verdict


def all_validating(*handlers: Handler) -> Handler:
    """Return the handler that asks one after the other: the first refusal counts, the warnings of all until then."""

    async def handle(request: AdmissionRequest) -> Verdict:
        warnings: tuple[str, ...] = ()
        for handler in handlers:
            verdict = await handler(request)
            warnings += verdict.warnings
            if not verdict.allowed:
                return replace(verdict, warnings=warnings)
        return Verdict(warnings=warnings)

    return handle


def all_mutating(*handlers: Handler) -> Handler:
    """Return the handler that lets each change what the one before it made; a refusal changes nothing."""

    async def handle(request: AdmissionRequest) -> Verdict:
        warnings: tuple[str, ...] = ()
        patch: tuple[Mapping[str, Any], ...] = ()
        for handler in handlers:
            verdict = await handler(request)
            warnings += verdict.warnings
            if not verdict.allowed:
                return replace(verdict, warnings=warnings, patch=())
            if verdict.patch:
                patch += verdict.patch
                request = _patched(request, verdict.patch)
        return Verdict(warnings=warnings, patch=patch)

    return handle


def _patched(request: AdmissionRequest, patch: tuple[Mapping[str, Any], ...]) -> AdmissionRequest:
    return msgspec.structs.replace(request, object=jsonpatch.JsonPatch(list(patch)).apply(request.object))
