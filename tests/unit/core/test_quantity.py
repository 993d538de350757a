"""Quantities compare by value."""

from fractions import Fraction

import pytest

from kaito.core import parse_quantity


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("0.5", Fraction(1, 2)),
        ("500m", Fraction(1, 2)),
        ("1Gi", 2**30),
        ("1024Mi", 2**30),
        ("1e3", 1000),
        ("1E3", 1000),
        ("1E", 10**18),
        ("-2k", -2000),
        (".5", Fraction(1, 2)),
        ("2.", 2),
        (3, 3),
        (0.5, Fraction(1, 2)),
        ("100n", Fraction(1, 10**7)),
    ],
)
def test_a_quantity_has_an_exact_value(text, value):
    assert parse_quantity(text) == value


@pytest.mark.parametrize("text", ["", "1 Gi", "Gi", "1gi", "0x10", "1e", "--1", True])
def test_what_is_no_quantity_is_refused(text):
    with pytest.raises(ValueError, match="is not a quantity"):
        parse_quantity(text)
