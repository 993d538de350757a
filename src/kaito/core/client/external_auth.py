"""Users of a kubeconfig that need a protocol: exec plugins, OIDC, cloud providers.

These are `kubernetes_asyncio`'s strength. It costs 38 MB to import, so it is imported only for such a user.
"""

import importlib.util
from collections.abc import Awaitable, Callable
from pathlib import Path

from kaito.core.client.connection import Identity
from kaito.core.errors import KaitoError


def external_authorization(kubeconfig: Path, context: str) -> Callable[[], Awaitable[Identity]]:
    """Return what asks the plugin of `context` who we are.

    Raises KaitoError AuthProviderMissing at once if the library is not installed.
    """
    if importlib.util.find_spec("kubernetes_asyncio") is None:
        raise KaitoError(
            "AuthProviderMissing",
            f"context {context!r} of kubeconfig {kubeconfig} authenticates through a plugin",
            terminal=True,
            remedy="Install the extra: `pip install 'kaito[auth]'`, or use a context with a token or a certificate.",
        )

    async def fetch() -> Identity:
        from kubernetes_asyncio import client, config

        configuration = client.Configuration()
        try:
            await config.load_kube_config(str(kubeconfig), context, client_configuration=configuration)
        except config.ConfigException as error:
            raise KaitoError(
                "AuthProviderFailed",
                f"context {context!r} of kubeconfig {kubeconfig}: {error}",
                remedy="Run `kubectl get --raw /version` with the same context to see the plugin's own words.",
            ) from error
        return Identity(
            str(configuration.api_key.get("BearerToken", "")),
            _content(configuration.cert_file),
            _content(configuration.key_file),
        )

    return fetch


def _content(file: str | None) -> bytes | None:
    """Read what the library put into a file of its own."""
    return Path(file).read_bytes() if file else None
