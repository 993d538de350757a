"""Quantities in their canonical form, as an API server gives them back: `0.5` is `500m`, `1024Mi` is `1Gi`."""

import re
from decimal import ROUND_UP, Decimal
from typing import Any

from kaito.apiserver.schema.formats import parse_quantity

_BINARY = ("Ki", "Mi", "Gi", "Ti", "Pi", "Ei")
_DECIMAL = ("n", "u", "m", "", "k", "M", "G", "T", "P", "E")


def canonical_quantity(value: Any) -> Any:
    """Return a quantity's canonical text: an integer with the largest suffix that keeps it whole.

    What is no quantity comes back as it is, for validation to name. Values finer than a nano are rounded up.
    """
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return value
    text = str(value)
    try:
        amount = parse_quantity(text)
    except ValueError:
        return value
    if re.search(r"[eE]\d", text) or re.search(r"[eE][+-]\d", text):
        return _exponent(amount)
    if text.endswith("i") and (abs(amount) >= 1024 or amount == 0) and amount == amount.to_integral_value():
        return _largest(amount, Decimal(1024), ("", *_BINARY))
    nanos = (amount * Decimal(10) ** 9).to_integral_value(rounding=ROUND_UP)
    return _largest(nanos, Decimal(1000), _DECIMAL)


def _largest(amount: Decimal, step: Decimal, suffixes: tuple[str, ...]) -> str:
    if amount == 0:
        return "0"
    index = 0
    while index + 1 < len(suffixes) and amount % step == 0:
        amount /= step
        index += 1
    return f"{int(amount)}{suffixes[index]}"


def _exponent(amount: Decimal) -> str:
    exponent = 0
    while amount and amount % 1000 == 0:
        amount /= 1000
        exponent += 3
    return f"{int(amount)}e{exponent}" if exponent else f"{int(amount)}" if amount % 1 == 0 else f"{amount}"
