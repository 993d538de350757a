"""Mount paths without a mount namespace: replaced, in command, arguments and environment, by where the volumes are."""

import re
from collections.abc import Mapping


def rewrite(text: str, paths: Mapping[str, str]) -> str:
    """Replace every path in `text` that is one of `paths`, or below it. The longest mount path wins.

    A path begins at the start of the text or after a character that cannot be in one (such as `=`, `:`, `,`, a space or
    a quote), so that `/mnt/data` is found in `--dir=/mnt/data/x` and not in `/other/mnt/data` nor in `/mnt/database`; a
    URL's path (`http://host/mnt/data`) is left alone.
    """
    if not paths:
        return text
    ordered = sorted(paths, key=len, reverse=True)
    pattern = re.compile(r"(?<![\w./-])(" + "|".join(re.escape(path) for path in ordered) + r")(?![\w.-])")
    return pattern.sub(lambda match: paths[match[1]], text)


def rewrite_all(argv: list[str], env: Mapping[str, str], paths: Mapping[str, str]) -> tuple[list[str], dict[str, str]]:
    """Rewrite arguments and environment; PATH-like lists are rewritten entry by entry through the same rule."""
    return [rewrite(word, paths) for word in argv], {name: rewrite(value, paths) for name, value in env.items()}
