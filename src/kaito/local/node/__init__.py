"""A virtual kubelet: a node of a cluster that runs the containers of its pods as processes of this machine."""

from kaito.local.node.agent import Node, join
from kaito.local.node.options import Options, parse_options

__all__ = ["Node", "Options", "join", "parse_options"]
