"""Machines become nodes: the life cycle of Karpenter, on any cloud."""
