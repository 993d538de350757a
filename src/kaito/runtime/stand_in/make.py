"""Makes a stand-in in a folder, once: a second call finds it finished; an interrupted one starts anew."""

import fcntl
import json
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from kaito.contracts import STAND_IN_MARKER
from kaito.runtime.failure import FatalError
from kaito.runtime.stand_in.architectures import find_architecture
from kaito.runtime.stand_in.lessons import packaged_text, parse_lessons
from kaito.runtime.stand_in.marker import Recipe, finished, marker_text

_LOCK = ".kaito-stand-in.lock"


def make_stand_in(preset: str, architecture: str, output: Path, *, text: str | None = None) -> bool:
    """Make the stand-in of a preset in `output`; return False when it was there already.

    `output` may exist, empty or with an older stand-in, and may be a mount point: it is never renamed. Files are made
    in a hidden folder inside it and moved into place, the marker last, so a folder with a marker is whole. Two
    processes that share the folder take turns. A folder with weights that are no stand-in is refused (StandInFailed).
    """
    lesson_text = packaged_text() if text is None else text
    recipe = Recipe.of(preset, architecture, lesson_text)
    if finished(output, recipe):
        return False
    sizes = find_architecture(architecture)
    try:
        lessons = parse_lessons(lesson_text, preset=preset)
    except ValueError as error:
        raise FatalError("StandInFailed", f"The text to learn cannot be read: {error}.", remedy="Correct it.") from None
    with _exclusive(output):
        if finished(output, recipe):
            return False
        _refuse_foreign_files(output)
        from kaito.runtime.stand_in import train

        with tempfile.TemporaryDirectory(dir=output, prefix=".making-") as name:
            made = Path(name)
            model, tokenizer = train.fit(sizes, lessons)
            train.write(model, tokenizer, made, extra_config={"_kaito_stand_in": True, "_kaito_preset": preset})
            _move_in(made, output, recipe)
    return True


def _move_in(made: Path, output: Path, recipe: Recipe) -> None:
    """Put the files in their place; the marker goes first when an old one is replaced, and comes last."""
    contents = {path.name: path.read_bytes() for path in sorted(made.iterdir())}
    (output / STAND_IN_MARKER).unlink(missing_ok=True)
    for name in contents:
        (made / name).chmod(0o644)  # safetensors writes 0600; a pod's user is not ours
        (made / name).replace(output / name)
    marker = made / STAND_IN_MARKER
    marker.write_text(marker_text(recipe, contents), encoding="utf-8")
    marker.replace(output / STAND_IN_MARKER)


def _refuse_foreign_files(output: Path) -> None:
    if (output / STAND_IN_MARKER).exists():
        return
    for leftover in output.glob(".making-*"):
        shutil.rmtree(leftover, ignore_errors=True)
    if any(output.glob("*.safetensors*")) and not _is_stand_in(output / "config.json"):
        raise FatalError(
            "StandInFailed",
            f"{output} holds weights that are no stand-in.",
            remedy="Give --output another folder, or serve these weights with `kaito-runtime serve --model`.",
        )


def _is_stand_in(config: Path) -> bool:
    """Say whether an unfinished folder is one of ours: the configuration is moved in first."""
    try:
        return bool(json.loads(config.read_bytes()).get("_kaito_stand_in"))
    except (OSError, ValueError, AttributeError):
        return False


@contextmanager
def _exclusive(output: Path) -> Iterator[None]:
    try:
        output.mkdir(parents=True, exist_ok=True)
        with (output / _LOCK).open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield
    except OSError as error:
        raise FatalError(
            "StandInFailed",
            f"The stand-in cannot be written to {output}: {error.strerror or error}.",
            remedy="Make the folder writable and check that the disk has 10 MB to spare.",
        ) from error
