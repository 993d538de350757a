"""Quantities in their canonical form, as an API server gives them back: `0.5` is `500m`, `1024Mi` is `1Gi`."""

import math
import re
from fractions import Fraction
from typing import Any

from kaito.core.quantity import parse_quantity

_BINARY = ("", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei")
_DECIMAL = ("n", "u", "m", "", "k", "M", "G", "T", "P", "E")
_EXPONENT = re.compile(r"[eE][+-]?\d+\Z")


def canonical_quantity(value: Any) -> Any:
    """Return a quantity's canonical text: an integer with the largest suffix that keeps it whole.

    The notation (binary, decimal, exponent) stays. Values finer than a nano are rounded up. What is no quantity comes
    back as it is, for validation to name. Source: apimachinery `resource.Quantity`.
    """
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return value
    text = str(value)
    try:
        amount = parse_quantity(text)
    except ValueError:
        return value
    if amount == 0:
        return "0"
    if _EXPONENT.search(text):
        whole, power = _largest(_nanos(amount), 1000, 1_000)
        exponent = 3 * power - 9
        return f"{whole}e{exponent}" if exponent else str(whole)
    if text.endswith("i") and amount.denominator == 1 and abs(amount) >= 1024:
        whole, power = _largest(amount.numerator, 1024, len(_BINARY))
        return f"{whole}{_BINARY[power]}"
    whole, power = _largest(_nanos(amount), 1000, len(_DECIMAL))
    return f"{whole}{_DECIMAL[power]}"


def _nanos(amount: Fraction) -> int:
    return math.ceil(amount * 10**9) if amount >= 0 else math.floor(amount * 10**9)


def _largest(whole: int, step: int, powers: int) -> tuple[int, int]:
    power = 0
    while power + 1 < powers and whole % step == 0:
        whole //= step
        power += 1
    return whole, power
