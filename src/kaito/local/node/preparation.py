"""From a container of a pod to what its shim needs: image, environment, mounts, arguments."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from kaito.core.objects import Object
from kaito.local.node.containers import ContainerStart
from kaito.local.node.environment import Sources, container_environment, expand
from kaito.local.node.images import Images, Program, resolve
from kaito.local.node.layout import Layout, private_folder
from kaito.local.node.lifecycle import Start, pod_grace
from kaito.local.node.mounts import plan_mounts
from kaito.local.node.records import Record
from kaito.local.node.rewrite import rewrite, rewrite_all

TERMINAL = {"TERM": "xterm"}
"""Environment of a program with a terminal. Source: containerd's CRI plugin."""


@dataclass(frozen=True)
class Machine:
    """What every container of this node is prepared with."""

    layout: Layout
    images: Images
    host_env: Mapping[str, str]
    namespaced: bool


def prepare_container(
    pod: Object, start: Start, volumes: Mapping[str, Path], sources: Sources, machine: Machine
) -> ContainerStart:
    """Return what the shim of this run needs.

    Raises KaitoError: ErrImagePull for an unknown image, CreateContainerConfigError for a missing reference.
    """
    container = start.container
    uid, name = pod["metadata"]["uid"], container["name"]
    program = machine.images.program(container.get("image", ""))
    env = container_environment(container, sources, machine.host_env, own=program.own)
    plan = plan_mounts(pod, container, volumes, env, namespaced=machine.namespaced)
    argv = arguments(container, program, env)
    argv, env = rewrite_all(argv, env, plan.rewrites)
    work = private_folder(machine.layout.attempt(uid, name, start.attempt) / "work")
    cwd = rewrite(container.get("workingDir") or "", plan.rewrites)
    inside = any(cwd == mount["target"] or cwd.startswith(mount["target"] + "/") for mount in plan.mounts)
    if not cwd or not (inside or Path(cwd).is_dir()):
        cwd = str(work)  # an image's own working directory does not exist here; `/` would be the host's
    record = Record(
        uid=uid,
        name=name,
        attempt=start.attempt,
        image=container.get("image", ""),
        program=resolve(argv, env["PATH"], cwd) or argv[0],
        backoff=start.backoff,
        namespaced=bool(plan.mounts),
        rewrites=plan.rewrites,
        stdin=bool(container.get("stdin")),
        stdin_once=bool(container.get("stdinOnce")),
        tty=bool(container.get("tty")),
    )
    if record.tty:
        env = {**TERMINAL, **env}
    return ContainerStart(record, argv, env, cwd, pod_grace(pod), plan.mounts)


def arguments(container: Object, program: Program, env: Mapping[str, str]) -> list[str]:
    """Return the words to execute: `command` replaces the image's entrypoint, `args` follow; `$(VAR)` is replaced."""
    command, args = ([expand(word, env) for word in container.get(name) or ()] for name in ("command", "args"))
    if not command and args and program.gives_way and resolve(args[:1], env.get("PATH", ""), None):
        return args
    return [*(command or program.entrypoint), *args]
