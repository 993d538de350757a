"""`kaito crds`."""

from pathlib import Path

import typer

from kaito.api.crd import crd_files
from kaito.core.errors import KaitoError


def generate(output: Path | None, check: Path | None) -> None:
    """Print the CRDs, write them into `output`, or compare them with `check`. KaitoError (Drift) names what differs."""
    files = crd_files()
    if check is not None:
        different = drift(files, check)
        if different:
            raise KaitoError(
                "Drift",
                f"Not as generated: {', '.join(different)} in {check}.",
                terminal=True,
                remedy=f"`kaito crds --output {check}` writes them anew.",
            )
        return
    if output is None:
        typer.echo("---\n".join(files.values()), nl=False)
        return
    output.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (output / name).write_text(text)
        typer.echo(str(output / name))


def drift(files: dict[str, str], folder: Path) -> list[str]:
    """Return the names of files that are missing, different, or no longer generated."""
    present = {path.name: path.read_text() for path in folder.glob("*.yaml")} if folder.is_dir() else {}
    present.pop("kustomization.yaml", None)
    return sorted(name for name in files.keys() | present.keys() if files.get(name) != present.get(name))
