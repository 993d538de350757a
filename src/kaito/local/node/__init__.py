"""A virtual kubelet: a node of a cluster that runs the containers of its pods as processes of this machine."""

from kaito.local.node.main import Node, join, main, run
from kaito.local.node.options import Options, parse_options

__all__ = ["Node", "Options", "join", "main", "parse_options", "run"]
