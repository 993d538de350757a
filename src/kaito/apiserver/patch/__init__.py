"""The patch languages that need no memory of who wrote what: JSON patch, JSON merge patch, strategic merge patch."""

from kaito.apiserver.patch.json_patch import json_patch
from kaito.apiserver.patch.merge import json_merge_patch
from kaito.apiserver.patch.strategic import strategic_merge_patch

__all__ = ["json_merge_patch", "json_patch", "strategic_merge_patch"]
