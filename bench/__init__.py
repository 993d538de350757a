"""Measurements of `kaito.core` beside its peers: `python -m bench`, or `make bench`."""
