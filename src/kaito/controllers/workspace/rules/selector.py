"""The labels that nodes get."""

from collections.abc import Iterator
from typing import Final

from kaito.api import Workspace
from kaito.api.machine import INSTANCE_TYPE_LABEL, MACHINE_TYPE_LABEL, PROVISIONER_NAME_LABEL
from kaito.api.workspace import WORKSPACE_LABEL, WORKSPACE_NAMESPACE_LABEL
from kaito.controllers.workspace.reasons import Reason
from kaito.controllers.workspace.rules.finding import Finding

DOMAINS: Final = (
    *("kaito.sh", "karpenter.sh", "kubernetes.io", "node.kubernetes.io", "beta.kubernetes.io", "nvidia.com"),
    *("topology.kubernetes.io", "failure-domain.beta.kubernetes.io"),
)
"""Domains whose labels say what a node is. Karpenter restricts them for the same reason."""

_PATH: Final = "resource.labelSelector"


def selector(workspace: Workspace) -> Iterator[Finding]:
    """Find what no new node could be labelled with, or would be labelled with falsely."""
    chosen = workspace.resource.label_selector
    for index, entry in enumerate(chosen.match_expressions):
        path = f"{_PATH}.matchExpressions[{index}]"
        if entry.operator != "In" or len(entry.values) != 1:
            said = f"{path} says no label that a new node could be given."
            yield Finding(Reason.SELECTOR_NOT_SUPPORTED, path, said, "Use matchLabels.")
        elif chosen.labels[entry.key] != entry.values[0]:
            said = f"{path} wants {entry.key} to be {entry.values[0]!r}, and it is {chosen.labels[entry.key]!r} too."
            yield Finding(Reason.SELECTOR_NOT_SUPPORTED, path, said, "Give each key one value.")
    if not chosen.match_labels and not chosen.match_expressions:
        said = f"{_PATH} is empty, and names no label for the nodes."
        yield Finding(Reason.INVALID_SPEC, _PATH, said, "Use matchLabels, as matchLabels: {app: my-model}.")
    for key, value in chosen.labels.items():
        yield from _label(workspace, key, value)


def _label(workspace: Workspace, key: str, value: str) -> Iterator[Finding]:
    true = _true_labels(workspace).get(key)
    domain, slash, _ = key.partition("/")
    if not slash or domain not in DOMAINS or value == true:
        return
    path = f"{_PATH}.matchLabels[{key}]"
    if key in (WORKSPACE_LABEL, WORKSPACE_NAMESPACE_LABEL):
        said = f"{path} has no effect: each node says itself whose it is."
        yield Finding(Reason.LABEL_RESERVED, path, said, "Remove it.", admission="warned", terminal=False)
    elif true is not None:
        said = f"{path} is {value!r}, and that of the nodes is {true!r}."
        yield Finding(Reason.LABEL_RESERVED, path, said, "Remove it, or give it that value.")
    else:
        said = f"{path} is a label by which a node says what it is; {domain} is reserved."
        yield Finding(Reason.LABEL_RESERVED, path, said, "Use a label of your own, as app: my-model.")


def _true_labels(workspace: Workspace) -> dict[str, str]:
    """Return the labels of those domains that the nodes have for sure."""
    return {
        INSTANCE_TYPE_LABEL: workspace.resource.instance_type,
        PROVISIONER_NAME_LABEL: "default",
        MACHINE_TYPE_LABEL: "gpu",
        "kubernetes.io/arch": "amd64",
        "kubernetes.io/os": "linux",
        WORKSPACE_LABEL: workspace.metadata.name,
        WORKSPACE_NAMESPACE_LABEL: workspace.metadata.namespace,
    }
