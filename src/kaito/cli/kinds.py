"""Our kinds as plain JSON: the command line prints what it reads and models nothing."""

from typing import Any, Final

from kaito.core import Kind

WORKSPACE: Final = Kind[dict[str, Any]]("kaito.sh/v1beta1", "Workspace", dict, "workspaces", True)
MACHINE: Final = Kind[dict[str, Any]]("karpenter.sh/v1alpha5", "Machine", dict, "machines", False)

WORKSPACE_LABEL: Final = "kaito.sh/workspace"
WORKSPACE_NAMESPACE_LABEL: Final = "kaito.sh/workspacenamespace"
