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
    Written,
    create_or_patch,
    create_or_update,
    install_custom_resources,
    json_patch_from,
    load_connection,
    merge_from,
    retry_on_conflict,
    uninstall_custom_resources,
)
from kaito.core.clock import Clock, SystemClock, parse_timestamp, timestamp
from kaito.core.conditions import condition, with_condition, without_condition
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
from kaito.core.finalizers import Finalized, Finalizers, add_finalizer, contains_finalizer, remove_finalizer
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
from kaito.core.owners import (
    AlreadyOwnedError,
    has_owner_reference,
    remove_owner_reference,
    set_controller_reference,
    set_owner_reference,
)
from kaito.core.quantity import parse_quantity
from kaito.core.selectors import Selector, parse_selector

__all__ = [
    "APPLIED_ANNOTATION",
    "DONE",
    "OWNER_INDEX",
    "AlreadyExistsError",
    "AlreadyOwnedError",
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
    "Finalized",
    "Finalizers",
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
    "Written",
    "add_finalizer",
    "add_installed",
    "api_error",
    "condition",
    "configure_logging",
    "contains_finalizer",
    "create_or_patch",
    "create_or_update",
    "has_owner_reference",
    "install_custom_resources",
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
    "remove_finalizer",
    "remove_owner_reference",
    "retry_on_conflict",
    "set_controller_reference",
    "set_log_level",
    "set_owner_reference",
    "timestamp",
    "uninstall_custom_resources",
    "with_condition",
    "without_condition",
]
