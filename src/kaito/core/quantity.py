"""Kubernetes quantities: `500m`, `1Gi`, `2e3`. Exact, because they are compared."""

import re
from fractions import Fraction

_PATTERN = re.compile(r"^([+-]?(?:\d+\.?\d*|\.\d+))(?:([eE][+-]?\d+)|([numkMGTPE]|[KMGTPE]i))?$")
_SUFFIXES = {
    "n": Fraction(1, 10**9),
    "u": Fraction(1, 10**6),
    "m": Fraction(1, 1000),
    "k": Fraction(10**3),
    "M": Fraction(10**6),
    "G": Fraction(10**9),
    "T": Fraction(10**12),
    "P": Fraction(10**15),
    "E": Fraction(10**18),
    "Ki": Fraction(2**10),
    "Mi": Fraction(2**20),
    "Gi": Fraction(2**30),
    "Ti": Fraction(2**40),
    "Pi": Fraction(2**50),
    "Ei": Fraction(2**60),
}


def parse_quantity(text: str | int | float) -> Fraction:
    """Return the exact value of a quantity; numbers stand for themselves. Raises ValueError."""
    if isinstance(text, bool):
        raise ValueError(f"{text!r} is not a quantity")
    found = _PATTERN.match(str(text))
    if found is None:
        raise ValueError(f"{text!r} is not a quantity")
    number, exponent, suffix = found.groups()
    return Fraction(number + (exponent or "")) * _SUFFIXES.get(suffix, 1)
