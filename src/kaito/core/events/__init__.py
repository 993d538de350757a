"""Events about objects, for people: written in the background, similar ones combined, repeats counted."""

from kaito.core.events.occurrence import EventLevel
from kaito.core.events.recorder import EventRecorder

__all__ = ["EventLevel", "EventRecorder"]
