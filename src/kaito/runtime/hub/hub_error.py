"""What `huggingface_hub` raises, as a reason from the closed list with a remedy. Pure."""

import errno
import re
from collections.abc import Iterator

import httpx2
from huggingface_hub import errors

from kaito.runtime.failure import FatalError, Reason

SECRET_FIELD = "inference.preset.presetOptions.modelAccessSecret"  # noqa: S105 - a field, not a secret

_FULL = {errno.ENOSPC, errno.EDQUOT}
_UNWRITABLE = {errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.EEXIST}
_SIGNED = re.compile(r"(https?://[^\s?'\"]+)\?[^\s'\"]*")


class HubError(FatalError):
    """The model cannot be had now. `passes`: trying again can help although nobody changes anything here."""

    def __init__(self, reason: Reason, message: str, *, remedy: str, passes: bool = False) -> None:
        super().__init__(reason, message, remedy=remedy)
        self.passes = passes


def hub_error(error: BaseException, repository: str, revision: str, endpoint: str, *, token: bool) -> HubError:
    """Return what an error of the library means. `token`: whether one was sent."""
    cause = list(_causes(error))[-1]
    where = f"{repository} at revision {revision}"
    match cause:
        case errors.GatedRepoError():
            return _no_access(repository, endpoint, token=token)
        case errors.RevisionNotFoundError():
            what = f"{endpoint} has {repository}, but not its revision {revision}."
            return HubError("RevisionNotFound", what, remedy="Check --revision: a branch, a tag or a commit.")
        case errors.RepositoryNotFoundError():
            what = f"{endpoint} has no model {repository}, or shows it only to accounts that may read it."
            remedy = f"Check the name; for a private model name a Secret with a token under {SECRET_FIELD}."
            return HubError("ModelNotFound", what, remedy=remedy)
        case errors.HFValidationError():
            what = f"--model={repository} is no name of a model."
            return HubError("InvalidFlag", what, remedy="Give ORG/NAME, or a folder.")
        case errors.OfflineModeIsEnabled():
            what = f"{where} is not in the weights folder, and HF_HUB_OFFLINE forbids to ask for it."
            return HubError("HubUnreachable", what, remedy="Unset HF_HUB_OFFLINE, or give --model a folder.")
        case errors.HfHubHTTPError():
            return _refused(cause, repository, endpoint)
        case errors.FileMetadataError() | TypeError() | ValueError() | LookupError() | AssertionError():
            what = f"{endpoint} does not answer as a Hugging Face hub does: {_said(cause)}"
            return HubError("HubUnreachable", what, remedy="Check HF_ENDPOINT and the proxy.", passes=True)
        case httpx2.ConnectError() | httpx2.TimeoutException() | httpx2.ProxyError():
            what = f"The hub {endpoint} cannot be reached: {_said(cause)}"
            remedy = "Check the node's network, proxy and HF_ENDPOINT; it goes on by itself when the hub answers."
            return HubError("HubUnreachable", what, remedy=remedy, passes=True)
        case OSError() if cause.errno in _FULL:
            what = f"The disk of the weights folder is full: {where} does not fit."
            return HubError("DiskFull", what, remedy="Free space on the node; it goes on by itself.", passes=True)
        case OSError() if cause.errno in _UNWRITABLE:
            what = f"The weights folder cannot be written: {cause.strerror} ({cause.filename})."
            return HubError("WeightsFolderUnwritable", what, remedy="Make it writable for the pod's user.")
    what = f"The download of {where} from {endpoint} was interrupted: {_said(cause)}"
    return HubError("DownloadInterrupted", what, remedy="It goes on by itself.", passes=True)


def _no_access(repository: str, endpoint: str, *, token: bool) -> HubError:
    page = f"{endpoint}/{repository}"
    if token:
        what = f"The account of the token in {SECRET_FIELD} has no access to {repository}."
        remedy = f"Ask for access at {page} with that account, or put another account's token into the Secret."
    else:
        what = f"{repository} is given only to accounts that have accepted its licence, and no token was sent."
        remedy = f"Accept the licence at {page}, put a token of that account into a Secret under the key HF_TOKEN, "
        remedy += f"and name the Secret in {SECRET_FIELD}."
    return HubError("ModelAccessRequired", what, remedy=remedy)


def _refused(error: errors.HfHubHTTPError, repository: str, endpoint: str) -> HubError:
    status, url = error.response.status_code, error.response.request.url
    host, ours = url.host, str(url).startswith(f"{endpoint}/")  # else it is where the hub keeps large files
    what = f"{host} answered {status} for {repository}" + (
        f": {error.server_message.rstrip('.')}." if error.server_message else "."
    )
    if status == 401:
        remedy = f"Put a valid token into the Secret of {SECRET_FIELD}, under the key HF_TOKEN."
        return HubError("HubTokenInvalid", what, remedy=remedy)
    if status == 403 and ours:
        remedy = f"Give the token of {SECRET_FIELD} the right to read {repository}."
        return HubError("ModelAccessRequired", what, remedy=remedy)
    if status == 429:
        remedy = f"It goes on by itself; a token in {SECRET_FIELD} has a higher limit."
        return HubError("HubRateLimited", what, remedy=remedy, passes=True)
    return HubError("HubUnavailable", what, remedy="It goes on by itself when the hub is well again.", passes=True)


def _causes(error: BaseException) -> Iterator[BaseException]:
    """Yield an error and what it only stands for: the library wraps what it heard when no copy is on the disk."""
    yield error
    while isinstance(error, errors.LocalEntryNotFoundError | errors.DryRunError) and error.__cause__ is not None:
        error = error.__cause__
        yield error


def _said(error: BaseException) -> str:
    """Return an error's first line, without the signatures of links."""
    line = _SIGNED.sub(r"\1", next(iter(str(error).splitlines()), "")).rstrip(".")
    return f"{type(error).__name__}: {line}." if line else f"{type(error).__name__}."
