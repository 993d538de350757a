"""What the CRD's own rules refuse, for objects that were stored before those rules: the phases build on it."""

import re
from collections.abc import Iterator

from kaito.api import DataSource, InferenceSpec, Workspace
from kaito.api.formats import OBJECT_NAME, WORKSPACE_NAME
from kaito.api.workspace import HEADLESS, NAME_LENGTH
from kaito.contracts import STRENGTH
from kaito.controllers.workspace.reasons import Reason
from kaito.controllers.workspace.rules.finding import Finding


def structure(workspace: Workspace) -> Iterator[Finding]:
    """Find names that nothing can be called by, and choices of one that name none or several."""
    name = workspace.metadata.name
    if len(name) > NAME_LENGTH or not re.fullmatch(WORKSPACE_NAME, name) or name.endswith(HEADLESS):
        said = f"metadata.name {name!r} cannot name its Services."
        how = (
            f"Use at most {NAME_LENGTH} characters of a-z, 0-9 and '-', starting with a letter, not ending {HEADLESS}."
        )
        yield Finding(Reason.INVALID_SPEC, "metadata.name", said, how)
    if (workspace.inference is None) == (workspace.tuning is None):
        yield _not_one("inference", "inference", "tuning")
    if workspace.inference is not None:
        yield from _inference(workspace.inference)
    if workspace.tuning is not None:
        yield from _source("tuning.input", workspace.tuning.input)
        output = workspace.tuning.output
        if (output.image is None) == (output.volume_source is None):
            yield _not_one("tuning.output", "image", "volumeSource")


def _inference(inference: InferenceSpec) -> Iterator[Finding]:
    if (inference.preset is None) == (inference.template is None):
        yield _not_one("inference", "preset", "template")
    seen: set[str] = set()
    for index, adapter in enumerate(inference.adapters):
        path = f"inference.adapters[{index}]"
        name = adapter.source.name or ""
        if not re.fullmatch(OBJECT_NAME, name):
            said = f"{path}.source.name {name!r} cannot name a model."
            how = "Use lower-case letters, digits, '-' and '.', with a letter or digit at both ends."
            yield Finding(Reason.INVALID_SPEC, f"{path}.source.name", said, how)
        if name in seen:
            said = f"{path}.source.name {name!r} is that of another adapter."
            yield Finding(Reason.INVALID_SPEC, f"{path}.source.name", said, "Give each adapter a name of its own.")
        seen.add(name)
        yield from _source(f"{path}.source", adapter.source)
        if adapter.strength is not None and not re.fullmatch(STRENGTH, adapter.strength):
            said = f"{path}.strength {adapter.strength!r} is no number from 0 to 1."
            yield Finding(Reason.INVALID_SPEC, f"{path}.strength", said, 'Write it as text, as "0.5".')


def _source(path: str, source: DataSource) -> Iterator[Finding]:
    if sum(given is not None for given in (source.urls, source.image, source.volume_source)) != 1:
        yield _not_one(path, "urls", "image", "volumeSource")


def _not_one(path: str, *fields: str) -> Finding:
    *first, last = fields
    words = f"{', '.join(first)} and {last}"
    said = f"{path}: not exactly one of {words} is set."
    return Finding(Reason.INVALID_SPEC, path, said, f"Set one of {words}, and remove the others.")
