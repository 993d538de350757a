"""What nobody may turn on by a setting: the file is a user's, the server is shared, and code comes with a commit."""

import re
from collections.abc import Mapping

from kaito.runtime.config.config_file import ConfigFile
from kaito.runtime.config.flags import Flags
from kaito.runtime.config.named_code import code_named_in
from kaito.runtime.failure import FatalError

_THE_POD_DECIDES = "which the pod's own command line decides"
_RUNS_CODE = "which would run code of the user's choice"
_NOT_IN_THE_FILE: Mapping[str, str] = {
    **dict.fromkeys(("model", "host", "port", "uds", "root-path", "headless", "api-server-count"), _THE_POD_DECIDES),
    **dict.fromkeys(("config", "log-config-file"), "which reads another file"),
    **dict.fromkeys(
        (
            "middleware",
            "tool-parser-plugin",
            "reasoning-parser-plugin",
            "worker-cls",
            "worker-extension-cls",
            "scheduler-cls",
            "logits-processors",
            "model-class-overrides",
            "trust-remote-code",
            "trust-request-chat-template",
        ),
        _RUNS_CODE,
    ),
    **dict.fromkeys(
        ("allowed-local-media-path", "allowed-media-domains"), "which opens the server's files and network"
    ),
    **dict.fromkeys(
        ("api-key", "hf-token", "ssl-keyfile", "ssl-certfile", "ssl-ca-certs"), "which belongs in a Secret, not here"
    ),
    **dict.fromkeys(("download-dir", "revision", "code-revision"), "which the preset decides"),
}

_COMMIT = re.compile(r"[0-9a-f]{40}")


def check_policy(flags: Flags, file: ConfigFile, environment: Mapping[str, str]) -> None:
    """Refuse what nobody may turn on. `flags` are the command line's. Raises InvalidConfigFile and InvalidFlag."""
    for flag in file.flags:
        name = flag.name.partition(".")[0].removeprefix("no-")
        why = _NOT_IN_THE_FILE.get(name)
        if why is None and (inner := code_named_in(flag)):
            name, why = f"{inner} in {name}", _RUNS_CODE
        if why:
            raise FatalError(
                "InvalidConfigFile",
                f"Line {file.line_of(flag.name)} of the inference config sets {name}, {why}.",
                remedy="Remove the line.",
            )
    if environment.get("VLLM_SERVER_DEV_MODE", "0") not in {"", "0"}:
        raise FatalError(
            "InvalidFlag",
            "VLLM_SERVER_DEV_MODE is set: it opens routes that run any method of the engine for whoever asks.",
            remedy="Remove the variable from the container.",
        )
    remote = flags.get("trust-remote-code", "no-trust-remote-code")
    pins = [flags.value(name) or "" for name in ("revision", "code-revision")]
    if remote and remote.name == "trust-remote-code" and not any(_COMMIT.fullmatch(pin) for pin in pins):
        raise FatalError(
            "InvalidFlag",
            "--trust-remote-code runs code that comes with the model, and no commit says which.",
            remedy="Give --revision or --code-revision the full hash (40 digits) of a commit you have read.",
        )
