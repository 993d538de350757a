"""Admission of Workspaces: faults that the rules know are refused when they are written, not when they are worked on.

It is a courtesy, not a guard: the controller holds the same rules against every Workspace, however it came in.
`serve.serve_webhook` puts it into a process.
"""

from kaito.controllers.webhook.options import LIFETIME_VARIABLE, WebhookOptions
from kaito.controllers.webhook.paths import CERTIFICATE_SECRET, MUTATE_PATH, VALIDATE_PATH, WEBHOOK_NAME

__all__ = [
    "CERTIFICATE_SECRET",
    "LIFETIME_VARIABLE",
    "MUTATE_PATH",
    "VALIDATE_PATH",
    "WEBHOOK_NAME",
    "WebhookOptions",
]
