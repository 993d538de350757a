"""A reconciler library for Kubernetes, in the manner of controller-runtime, on asyncio.

It knows Kubernetes and nothing of this project's own kinds, and can be used alone. Layers, each knowing those
before it: objects, errors, clock; client; cache; queue; controller; manager.
"""

from kaito.core.cache import OWNER_INDEX, Cache, CacheEntry, Event
from kaito.core.client import (
    APPLIED_ANNOTATION,
    Client,
    ConnectionSettings,
    ObjectList,
    WatchEvent,
    WriteOptions,
    json_patch_from,
    load_connection,
    merge_from,
)
from kaito.core.clock import Clock, SystemClock, parse_timestamp, timestamp
from kaito.core.controller import DONE, Controller, Reconciler, Result
from kaito.core.errors import (
    AlreadyExistsError,
    ApiError,
    ConflictError,
    ConnectionLostError,
    ExpiredError,
    ForbiddenError,
    InvalidError,
    KaitoError,
    NotFoundError,
    Status,
    TooManyRequestsError,
    api_error,
)
from kaito.core.events import EventRecorder
from kaito.core.logs import configure_logging, log_level, set_log_level
from kaito.core.manager import ControllerFactory, Manager, Serving, add_installed, installed_controllers
from kaito.core.objects import (
    Key,
    Kind,
    Metadata,
    Object,
    OwnerReference,
    PartialObjectMetadata,
    key_of,
    owner_reference,
)
from kaito.core.quantity import parse_quantity
from kaito.core.selectors import Selector, parse_selector

__all__ = [
    "APPLIED_ANNOTATION",
    "DONE",
    "OWNER_INDEX",
    "AlreadyExistsError",
    "ApiError",
    "Cache",
    "CacheEntry",
    "Client",
    "Clock",
    "ConflictError",
    "ConnectionLostError",
    "ConnectionSettings",
    "Controller",
    "ControllerFactory",
    "Event",
    "EventRecorder",
    "ExpiredError",
    "ForbiddenError",
    "InvalidError",
    "KaitoError",
    "Key",
    "Kind",
    "Manager",
    "Metadata",
    "NotFoundError",
    "Object",
    "ObjectList",
    "OwnerReference",
    "PartialObjectMetadata",
    "Reconciler",
    "Result",
    "Selector",
    "Serving",
    "Status",
    "SystemClock",
    "TooManyRequestsError",
    "WatchEvent",
    "WriteOptions",
    "add_installed",
    "api_error",
    "configure_logging",
    "installed_controllers",
    "json_patch_from",
    "key_of",
    "load_connection",
    "log_level",
    "merge_from",
    "owner_reference",
    "parse_quantity",
    "parse_selector",
    "parse_timestamp",
    "set_log_level",
    "timestamp",
]
