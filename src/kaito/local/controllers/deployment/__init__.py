"""Rolls Deployments out over ReplicaSets."""
