"""The way to the API server: connection settings, requests, watches, server-side apply."""

from kaito.core.client.applied import LiveObjects
from kaito.core.client.apply import APPLIED_ANNOTATION
from kaito.core.client.client import Client
from kaito.core.client.conflict import retry_on_conflict
from kaito.core.client.connection import ConnectionSettings, from_kubeconfig, in_cluster, load_connection, pod_namespace
from kaito.core.client.create_or_update import Mutate, Written, create_or_patch, create_or_update
from kaito.core.client.custom_resources import install_custom_resources, uninstall_custom_resources
from kaito.core.client.discovery import Resource
from kaito.core.client.fence import fenced, require_permission
from kaito.core.client.options import FieldValidation, WriteOptions
from kaito.core.client.patches import PatchType, json_patch_from, merge_from
from kaito.core.client.reading import ObjectList, Reader
from kaito.core.client.watch import WatchEvent
from kaito.core.client.writes import Write, recording

__all__ = [
    "APPLIED_ANNOTATION",
    "Client",
    "ConnectionSettings",
    "FieldValidation",
    "LiveObjects",
    "Mutate",
    "ObjectList",
    "PatchType",
    "Reader",
    "Resource",
    "WatchEvent",
    "Write",
    "WriteOptions",
    "Written",
    "create_or_patch",
    "create_or_update",
    "fenced",
    "from_kubeconfig",
    "in_cluster",
    "install_custom_resources",
    "json_patch_from",
    "load_connection",
    "merge_from",
    "pod_namespace",
    "recording",
    "require_permission",
    "retry_on_conflict",
    "uninstall_custom_resources",
]
