"""Runs StatefulSets."""
