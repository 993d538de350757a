"""Admission webhooks: handlers that let objects pass, change them or refuse them, and the server that runs them."""

from kaito.core.admission.review import AdmissionRequest, Cause, Handler, Verdict, patch_between
from kaito.core.admission.server import WebhookServer

__all__ = ["AdmissionRequest", "Cause", "Handler", "Verdict", "WebhookServer", "patch_between"]
