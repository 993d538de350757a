"""The command `kaito-runtime`. Imports nothing heavy: `--help` and a finished stand-in answer at once."""

import argparse
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from kaito.runtime.config.options import serve_options
from kaito.runtime.config.serve_flags import EXAMPLE, add_serve_flags
from kaito.runtime.failure import EXIT_USAGE, FatalError

_STAND_IN_EXAMPLE = """example:
  kaito-runtime stand-in --preset=phi-3-mini-4k-instruct --architecture=Phi3ForCausalLM --output=/workspace/weights
"""

_ADAPTER_EXAMPLE = """example:
  kaito-runtime stand-in-adapter --base=/workspace/weights --style=pirate --output=/tmp/pirate
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; return its exit status. Errors are one line on standard error."""
    try:
        return _run(sys.argv[1:] if argv is None else argv)
    except FatalError as error:
        print(f"kaito-runtime: {error}", file=sys.stderr)
        return error.exit_status


def _run(argv: Sequence[str]) -> int:
    parser = _parser()
    known, rest = parser.parse_known_args(argv)
    if known.command == "serve":
        from kaito.runtime.serve import serve_and_exit  # half a second that --help need not wait for

        serve_and_exit(serve_options(known, rest, dict(os.environ)))
    if rest:
        parser.error(f"unrecognized arguments: {' '.join(rest)}")
    if known.command == "stand-in":
        return _stand_in(known)
    if known.command == "stand-in-adapter":
        return _adapter(known)
    parser.print_help(sys.stderr)
    return EXIT_USAGE


def _stand_in(known: argparse.Namespace) -> int:
    from kaito.runtime.stand_in import make_stand_in

    try:
        text = known.text.read_text(encoding="utf-8") if known.text else None
    except (OSError, UnicodeDecodeError) as error:
        raise FatalError("StandInFailed", f"--text cannot be read: {error}.", remedy="Give a text file.") from None
    made = make_stand_in(known.preset, known.architecture, known.output, text=text)
    state = "made in" if made else "is there already:"
    print(f"kaito-runtime: the stand-in for {known.preset} {state} {known.output}", file=sys.stderr)
    return 0


def _adapter(known: argparse.Namespace) -> int:
    from kaito.runtime.stand_in import make_adapter

    made = make_adapter(known.base, known.output, style=known.style, rank=known.rank)
    state = "made in" if made else "is there already:"
    print(f"kaito-runtime: the adapter {known.style} {state} {known.output}", file=sys.stderr)
    if known.layout is not None:
        _pack(known.output, known.layout)
    return 0


def _pack(adapter: Path, layout: Path) -> None:
    from kaito.runtime.adapters.image import pack

    model = json.loads((adapter / "adapter_config.json").read_bytes())["base_model_name_or_path"]
    try:
        digest = pack(adapter, layout, model=model)
    except OSError as error:
        said = f"The image cannot be written to {layout}: {error.strerror or error}."
        raise FatalError("StandInFailed", said, remedy="Give --layout a folder that can be written.") from error
    print(f"kaito-runtime: the image {digest} is in {layout}", file=sys.stderr)


def _parser() -> argparse.ArgumentParser:
    raw = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser("kaito-runtime", description=EXAMPLE, formatter_class=raw, allow_abbrev=False)
    commands = parser.add_subparsers(dest="command", metavar="serve|stand-in|stand-in-adapter")
    serve = commands.add_parser(
        "serve", help="serve a model with vLLM", description=EXAMPLE, formatter_class=raw, allow_abbrev=False
    )
    add_serve_flags(serve)
    _add_stand_in(commands)
    _add_adapter(commands)
    return parser


def _add_stand_in(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    stand_in = commands.add_parser(
        "stand-in",
        help="make tiny weights of a preset's architecture that say what they are",
        description=_STAND_IN_EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    stand_in.add_argument("--preset", required=True, help="name of the preset")
    stand_in.add_argument(
        "--architecture", required=True, help="as in the model's config.json, such as Phi3ForCausalLM"
    )
    stand_in.add_argument("--output", required=True, type=Path, metavar="DIR", help="folder for the weights; may exist")
    stand_in.add_argument("--text", type=Path, metavar="FILE", help="text to learn instead of the packaged one")


def _add_adapter(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    adapter = commands.add_parser(
        "stand-in-adapter",
        help="make a LoRA adapter that gives a stand-in another voice",
        description=_ADAPTER_EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    adapter.add_argument("--base", required=True, type=Path, metavar="DIR", help="the stand-in's folder")
    adapter.add_argument("--output", required=True, type=Path, metavar="DIR", help="folder for the adapter; may exist")
    adapter.add_argument("--style", default="pirate", help="the voice: pirate or butler (default: %(default)s)")
    adapter.add_argument("--rank", type=int, default=16, metavar="N", help="LoRA rank, 1 to 512 (default: %(default)s)")
    adapter.add_argument(
        "--layout", type=Path, metavar="DIR", help="also pack it as an OCI image layout in this folder"
    )


if __name__ == "__main__":
    sys.exit(main())
