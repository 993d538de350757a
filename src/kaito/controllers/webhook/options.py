"""The webhook's options."""

import argparse
import os
import re
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

LIFETIME_VARIABLE: Final = "KAITO_WEBHOOK_CERTIFICATE_LIFETIME"
_UNITS: Final = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}
_SHORTEST: Final = timedelta(seconds=30)


@dataclass(frozen=True)
class WebhookOptions:
    """What the webhook is served as: behind `service`, or on 127.0.0.1 alone where there is none.

    `namespace` has the certificate's Secret, and the Service; empty means that of the pod we run in.
    """

    port: int = 9443
    service: str = ""
    namespace: str = ""
    lifetime: timedelta = timedelta(days=90)


def add_webhook_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the flags of the webhook to a command line."""
    default = WebhookOptions()
    add = parser.add_argument
    add("--webhook", action="store_true", help="serve the admission webhook of Workspaces, on every replica")
    add("--webhook-port", type=_port, default=default.port, metavar="PORT", help="default: %(default)s")
    add(
        "--webhook-service",
        default="",
        metavar="NAME",
        help="Service that the API server calls it by (default: none, it is called on 127.0.0.1)",
    )
    add(
        "--webhook-namespace",
        default="",
        metavar="NAMESPACE",
        help="where that Service and the Secret kaito-webhook-certificate are (default: the pod's namespace)",
    )
    add(
        "--webhook-certificate-lifetime",
        type=lifetime,
        default=os.environ.get(LIFETIME_VARIABLE) or "90d",
        metavar="DURATION",
        help=f"12h, 90d, …; a certificate is replaced after two thirds (default: ${LIFETIME_VARIABLE}, then 90d)",
    )


def webhook_options(parsed: argparse.Namespace) -> WebhookOptions | None:
    """Return the options of a parsed command line, None where the webhook is not to be served."""
    if not parsed.webhook:
        return None
    return WebhookOptions(
        port=parsed.webhook_port,
        service=parsed.webhook_service,
        namespace=parsed.webhook_namespace,
        lifetime=parsed.webhook_certificate_lifetime,
    )


def lifetime(text: str) -> timedelta:
    """Return a duration such as `90d`. Raises ArgumentTypeError for anything else, and for one too short to rotate."""
    found = re.fullmatch(r"([0-9]{1,5})([smhd])", text)
    duration = timedelta(**{_UNITS[found[2]]: int(found[1])}) if found else timedelta()
    if duration < _SHORTEST:
        raise argparse.ArgumentTypeError(f"{text!r} is no duration of 30s or more, like 12h or 90d")
    return duration


def _port(text: str) -> int:
    if text.isdigit() and 0 < int(text) < 1 << 16:
        return int(text)
    raise argparse.ArgumentTypeError(f"{text!r} is no TCP port")
