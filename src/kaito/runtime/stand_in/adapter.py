"""Makes a LoRA adapter for a stand-in, in PEFT's layout: the stand-in then answers in another voice."""

import hashlib
import json
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path

from kaito.contracts import LARGEST_LORA_RANK, STAND_IN_MARKER
from kaito.runtime.failure import FatalError
from kaito.runtime.stand_in.architectures import find_architecture
from kaito.runtime.stand_in.styles import STYLES

CONFIG = "adapter_config.json"
WEIGHTS = "adapter_model.safetensors"
RECIPE_KEY = "_kaito_stand_in"
"""Key of `adapter_config.json` that says that the adapter belongs to a stand-in, and what it was made from."""

RECIPE_VERSION = 2
"""Raised when the way an adapter is made changes; one of another version is made anew."""

DEFAULT_RANK = 16


@dataclass(frozen=True)
class AdapterRecipe:
    """What an adapter was made from. Equal recipes make equal adapters on one kind of machine."""

    base: str
    """Digest of the stand-in, from its marker."""
    style: str
    answer_digest: str
    rank: int
    version: int = RECIPE_VERSION


def make_adapter(base: Path, output: Path, *, style: str = "pirate", rank: int = DEFAULT_RANK) -> bool:
    """Make the adapter of a style for the stand-in in `base`; return False when `output` holds it already.

    `rank` is from 1 to 512. Takes some seconds. Raises FatalError (StandInFailed) when `base` is no stand-in or
    takes no adapters, the style is unknown, the rank cannot be served, `output` holds an adapter of somebody else's or
    cannot be written.
    """
    if style not in STYLES:
        raise _failed(f"There is no style {style!r}.", f"Use one of {', '.join(STYLES)}.")
    if not 1 <= rank <= LARGEST_LORA_RANK:
        raise _failed(f"A rank of {rank} cannot be served.", f"Give --rank a number from 1 to {LARGEST_LORA_RANK}.")
    preset, digest = _stand_in(base)
    answer = STYLES[style].replace("{preset}", preset)
    recipe = AdapterRecipe(digest, style, hashlib.sha256(answer.encode()).hexdigest(), rank)
    if _finished(output, recipe):
        return False
    try:
        output.mkdir(parents=True, exist_ok=True)
        from kaito.runtime.stand_in import low_rank

        with tempfile.TemporaryDirectory(dir=output, prefix=".making-") as name:
            made = Path(name) / WEIGHTS
            targets = low_rank.fit_and_write(base, answer, rank, made)
            config = Path(name) / CONFIG
            config.write_text(_config_text(preset, targets, recipe), encoding="utf-8")
            (output / CONFIG).unlink(missing_ok=True)
            for path in (made, config):  # the configuration comes last: with it the folder is whole
                path.chmod(0o644)  # safetensors writes 0600; a pod's user is not ours
                path.replace(output / path.name)
    except OSError as error:
        said = f"The adapter cannot be written to {output}: {error.strerror or error}."
        raise _failed(said, "Make the folder writable and check that the disk has room.") from error
    return True


def _stand_in(base: Path) -> tuple[str, str]:
    """Return the preset and the digest of the stand-in in a folder."""
    try:
        marker = json.loads((base / STAND_IN_MARKER).read_bytes())
        preset, digest, architecture = str(marker["preset"]), str(marker["digest"]), marker["recipe"]["architecture"]
    except (OSError, ValueError, KeyError, TypeError):
        raise _failed(f"{base} holds no stand-in.", "Make one with `kaito-runtime stand-in`.") from None
    if not find_architecture(architecture).lora:
        raise _failed(f"{base} holds a stand-in for {preset}, which takes no LoRA adapters.", "Use another preset.")
    return preset, digest


def _finished(output: Path, recipe: AdapterRecipe) -> bool:
    """Say whether the folder holds this adapter. An adapter that was not made here is refused: it is somebody's."""
    if not (output / CONFIG).exists() and not (output / WEIGHTS).exists():
        return False
    try:
        found = json.loads((output / CONFIG).read_bytes())[RECIPE_KEY]
    except (OSError, ValueError, KeyError, TypeError):
        said = f"{output} holds an adapter that was not made for a stand-in."
        raise _failed(said, "Give --output another folder.") from None
    return bool(found == asdict(recipe)) and (output / WEIGHTS).is_file()


def _config_text(preset: str, targets: list[str], recipe: AdapterRecipe) -> str:
    content = {
        "peft_type": "LORA",
        "task_type": "CAUSAL_LM",
        "base_model_name_or_path": preset,
        "r": recipe.rank,
        "lora_alpha": recipe.rank,
        "lora_dropout": 0.0,
        "bias": "none",
        "fan_in_fan_out": False,
        "inference_mode": True,
        "target_modules": targets,
        RECIPE_KEY: asdict(recipe),
    }
    return json.dumps(content, indent=2) + "\n"


def _failed(message: str, remedy: str) -> FatalError:
    return FatalError("StandInFailed", message, remedy=remedy)
