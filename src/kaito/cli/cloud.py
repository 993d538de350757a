"""`kaito cloud`: shows and edits what the local cloud answers."""

import json
from pathlib import Path
from typing import Any

import typer
import yaml

from kaito.cli.columns import columns
from kaito.cli.connection import cluster_directory
from kaito.cli.options import OutputFormat
from kaito.core.errors import KaitoError
from kaito.provisioner.clouds.local import InstanceFiles, LocalCloudSettings, read_settings, settings_path


def show(directory: Path | None, output: OutputFormat) -> None:
    """Print settings and machines."""
    folder = _cloud(directory)
    settings = read_settings(folder)
    instances = InstanceFiles(folder).all()
    if output is OutputFormat.JSON:
        document = {
            "settings": settings.model_dump(mode="json"),
            "machines": [instance.wire() for instance in instances],
        }
        typer.echo(json.dumps(document, indent=2))
        return
    typer.echo(f"Settings: {settings_path(folder)}")
    for name, value in settings.model_dump(mode="json").items():
        typer.echo(f"  {name}: {value if value not in ({}, []) else '-'}")
    rows = [(one.name, one.instance_type, one.zone, one.state, one.created_at) for one in instances]
    heading = ("MACHINE", "INSTANCE", "ZONE", "STATE", "CREATED")
    typer.echo("\n" + (columns(heading, rows) if rows else "No machines."))


def set_quota(directory: Path | None, sku: str, machines: int) -> None:
    """Limit the machines of a size."""
    folder = _cloud(directory)
    settings = read_settings(folder)
    others = {name: limit for name, limit in settings.quota.items() if name.casefold() != sku.casefold()}
    _write(folder, settings.model_copy(update={"quota": {**others, sku: machines}}))
    typer.echo(f"The local cloud allows {machines} of {sku}. `kaito cloud reset` lifts that.")


def set_out_of_capacity(directory: Path | None, sku: str) -> None:
    """Say that a size is sold out."""
    folder = _cloud(directory)
    settings = read_settings(folder)
    names = tuple(name for name in settings.out_of_capacity if name.casefold() != sku.casefold())
    _write(folder, settings.model_copy(update={"out_of_capacity": (*names, sku)}))
    typer.echo(f"The local cloud is out of {sku}. `kaito cloud reset` brings it back.")


def reset_settings(directory: Path | None) -> None:
    """Forget all settings."""
    settings_path(_cloud(directory)).unlink(missing_ok=True)
    typer.echo("The local cloud has its default settings.")


def _cloud(directory: Path | None) -> Path:
    paths = cluster_directory(directory)
    if not paths.cloud.is_dir():
        raise KaitoError(
            "NoCluster", f"There is no local cluster in {paths.root}.", terminal=True, remedy="`kaito up` makes one."
        )
    return paths.cloud


def _write(folder: Path, settings: LocalCloudSettings) -> None:
    """Write what differs from the defaults, whole or not at all."""
    document: dict[str, Any] = settings.model_dump(mode="json", exclude_defaults=True)
    path = settings_path(folder)
    draft = path.with_name(f".{path.name}.draft")
    draft.write_text(yaml.safe_dump(document))
    draft.replace(path)
