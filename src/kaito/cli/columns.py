"""Tables as kubectl prints them: columns padded with blanks, nothing cut off."""

from collections.abc import Sequence


def columns(heading: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return the lines of a table; the last column is as wide as it needs."""
    lines = [tuple(heading), *(tuple(row) for row in rows)]
    widths = [max(len(line[index]) for line in lines) for index in range(len(heading))]
    padded = ("   ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) for line in lines)
    return "\n".join(line.rstrip() for line in padded)
