"""Options that several commands share."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer


class OutputFormat(StrEnum):
    """How a result is printed."""

    TABLE = "table"
    JSON = "json"


DirectoryOption = Annotated[
    Path | None, typer.Option("--dir", help="Folder of the local cluster (default: $KAITO_DIR, else ~/.kaito).")
]
KubeconfigOption = Annotated[
    Path | None, typer.Option("--kubeconfig", help="A Kubernetes cluster (default: the local one, else $KUBECONFIG).")
]
NamespaceOption = Annotated[
    str, typer.Option("--namespace", "-n", help="Namespace (default: the kubeconfig's, else `default`).")
]
OutputOption = Annotated[OutputFormat, typer.Option("--output", "-o", help="table or json.")]
PortOption = Annotated[int, typer.Option("--port", min=1, max=65535, help="Port of the API server on 127.0.0.1.")]
WeightsOption = Annotated[
    str,
    typer.Option(
        "--weights", help="stand-in: a tiny model of the same kind, made here; hub: the real weights; or their folder."
    ),
]
