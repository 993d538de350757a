import pytest
from hypothesis import given
from hypothesis import strategies as st

from kaito.apiserver.schema.quantities import canonical_quantity
from kaito.core.quantity import parse_quantity


@pytest.mark.parametrize(
    ("given_text", "canonical"),
    [
        ("0.5", "500m"),
        (0.5, "500m"),
        (1, "1"),
        ("1000m", "1"),
        ("1024Mi", "1Gi"),
        ("1.5Gi", "1536Mi"),
        ("0.5Ki", "512"),
        ("1000", "1k"),
        ("16384", "16384"),
        ("1e3", "1e3"),
        ("0", "0"),
        ("0Mi", "0"),
        ("-500m", "-500m"),
        ("100000000n", "100m"),
        ("nonsense", "nonsense"),
        (None, None),
        (True, True),
    ],
)
def test_quantities_take_their_canonical_form(given_text, canonical):
    assert canonical_quantity(given_text) == canonical


@given(st.integers(-(10**6), 10**6), st.sampled_from(["", "m", "k", "M", "Ki", "Mi", "Gi", "e3"]))
def test_the_value_stays_the_same(number, suffix):
    text = f"{number}{suffix}"
    canonical = canonical_quantity(text)
    assert parse_quantity(canonical) == parse_quantity(text)
    assert canonical_quantity(canonical) == canonical
