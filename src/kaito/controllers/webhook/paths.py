"""The names that the webhook, the manifests and `kaito up` agree on."""

from typing import Final

WEBHOOK_NAME: Final = "kaito-webhook"
"""Name of both webhook configurations, and of the Service in a cluster."""
CERTIFICATE_SECRET: Final = "kaito-webhook-certificate"  # noqa: S105 - the name of a Secret
VALIDATE_PATH: Final = "/validate/workspace.kaito.sh"
MUTATE_PATH: Final = "/mutate/workspace.kaito.sh"
