"""Webhooks: handlers that let objects pass, change, refuse or convert them, and the server that runs them."""

from kaito.core.admission.chain import all_mutating, all_validating
from kaito.core.admission.conversion import Conversion, Spoke
from kaito.core.admission.defaulting import Default, defaulting
from kaito.core.admission.review import AdmissionRequest, Cause, Handler, Verdict, patch_between
from kaito.core.admission.server import WebhookServer
from kaito.core.admission.validating import Validator, Warn, validating

__all__ = [
    "AdmissionRequest",
    "Cause",
    "Conversion",
    "Default",
    "Handler",
    "Spoke",
    "Validator",
    "Verdict",
    "Warn",
    "WebhookServer",
    "all_mutating",
    "all_validating",
    "defaulting",
    "patch_between",
    "validating",
]
