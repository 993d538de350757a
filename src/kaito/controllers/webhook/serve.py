"""Puts the webhook into the controller's process."""

from typing import Final

from kaito.controllers.webhook.handlers import WorkspaceAdmission
from kaito.controllers.webhook.options import WebhookOptions
from kaito.controllers.webhook.paths import CERTIFICATE_SECRET, MUTATE_PATH, VALIDATE_PATH, WEBHOOK_NAME
from kaito.controllers.workspace.rules import Catalogue
from kaito.core import KaitoError, Manager, Object
from kaito.core.admission import WebhookServer
from kaito.core.certificates import CertificateKeeper, Policy, Trusting
from kaito.core.client import pod_namespace
from kaito.core.kinds import MUTATING_WEBHOOK_CONFIGURATION, VALIDATING_WEBHOOK_CONFIGURATION
from kaito.core.objects import Key

LOOPBACK: Final = "127.0.0.1"
LINGER_SECONDS: Final = 5.0
"""How long a replica that ends still answers: every node's proxy has heard by then that it is no endpoint any more."""


def serve_webhook(manager: Manager, options: WebhookOptions, catalogue: Catalogue) -> None:
    """Serve admission of Workspaces while the manager runs, leader or not; it is not ready before callers trust it.

    Raises the terminal KaitoError NamespaceMissing.
    """
    namespace = options.namespace or pod_namespace()
    if not namespace:
        raise KaitoError(
            "NamespaceMissing",
            "the webhook needs a namespace for its certificate, and this is not a pod",
            terminal=True,
            remedy="Give one with --webhook-namespace.",
        )

    def report(secret: Object, reason: str, message: str) -> None:
        manager.events.record(secret, "Warning", reason, message)

    keeper = CertificateKeeper(
        manager.client,
        manager.clock,
        Key(namespace, CERTIFICATE_SECRET),
        [f"{options.service}.{namespace}.svc" if options.service else LOOPBACK],
        [Trusting(kind, WEBHOOK_NAME) for kind in (VALIDATING_WEBHOOK_CONFIGURATION, MUTATING_WEBHOOK_CONFIGURATION)],
        policy=Policy.lasting(options.lifetime),
        registry=manager.registry,
        report=report,
    )
    admission = WorkspaceAdmission(catalogue)
    server = WebhookServer(
        "" if options.service else LOOPBACK,
        options.port,
        keeper.context,
        manager.clock,
        manager.registry,
        linger=LINGER_SECONDS if options.service else 0.0,
    )
    server.register(VALIDATE_PATH, admission.validate)
    server.register(MUTATE_PATH, admission.mutate)
    manager.add_server(keeper.run)
    manager.add_server(server.run, ready=server.wait_until_listening)
    manager.add_ready_check("webhook", lambda: keeper.unready() or server.unready())
