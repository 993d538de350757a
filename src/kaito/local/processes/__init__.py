"""Processes of a local cluster: named for ever, recorded on disk, restarted with back-off, ended without a trace."""

from kaito.local.processes.backoff import Backoff
from kaito.local.processes.child import Child, ChildSpec
from kaito.local.processes.identity import ProcessIdentity, identify
from kaito.local.processes.leftovers import end_leftovers
from kaito.local.processes.record import ProcessRecord, Records

__all__ = [
    "Backoff",
    "Child",
    "ChildSpec",
    "ProcessIdentity",
    "ProcessRecord",
    "Records",
    "end_leftovers",
    "identify",
]
