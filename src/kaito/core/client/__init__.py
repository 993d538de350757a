"""The way to the API server: connection settings, requests, watches, server-side apply."""

from kaito.core.client.apply import APPLIED_ANNOTATION
from kaito.core.client.client import Client, LiveObjects, ObjectList
from kaito.core.client.connection import ConnectionSettings, from_kubeconfig, in_cluster, load_connection, pod_namespace
from kaito.core.client.discovery import Resource
from kaito.core.client.fence import fenced, require_permission
from kaito.core.client.watch import WatchEvent
from kaito.core.client.writes import Write, recording

__all__ = [
    "APPLIED_ANNOTATION",
    "Client",
    "ConnectionSettings",
    "LiveObjects",
    "ObjectList",
    "Resource",
    "WatchEvent",
    "Write",
    "fenced",
    "from_kubeconfig",
    "in_cluster",
    "load_connection",
    "pod_namespace",
    "recording",
    "require_permission",
]
