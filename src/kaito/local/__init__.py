"""A cluster on a laptop: built-in controllers, service proxy, nodes that run pods as processes, one supervisor."""
