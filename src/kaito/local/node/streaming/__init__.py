"""Streams of the kubelet endpoint: exec, attach and port-forward, over SPDY/3.1 and over WebSockets."""

from kaito.local.node.streaming.endpoint import Streaming
from kaito.local.node.streaming.process_streams import ProcessStreams

__all__ = ["ProcessStreams", "Streaming"]
