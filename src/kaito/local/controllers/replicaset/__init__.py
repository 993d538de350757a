"""Keeps the pods of ReplicaSets."""
