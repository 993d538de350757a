"""A model's files from a Hugging Face hub. `huggingface_hub` downloads; ours is what it says, and when it tries again.

The cache is the library's own layout below one folder, so the pods of a node share it: a file is fetched once, under
the library's lock, and finished files outlive the pod. Source of its behaviour: release 2.4, measured on a fake hub.
"""

from kaito.runtime.hub.fetch import fetch
from kaito.runtime.hub.hub_error import HubError
from kaito.runtime.hub.model import ALLOWED, HubModel

__all__ = ["ALLOWED", "HubError", "HubModel", "fetch"]
