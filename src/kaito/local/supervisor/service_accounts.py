"""Runs each process under its own ServiceAccount, with the rights that are shipped and no other."""

import base64
from datetime import timedelta
from pathlib import Path
from typing import Final

import orjson

from kaito.core import Client, ConnectionSettings, Key, Object, load_connection
from kaito.core.clock import Clock
from kaito.core.errors import KaitoError
from kaito.core.kinds import SERVICE_ACCOUNT
from kaito.core.logs import get_logger
from kaito.local.supervisor.kubeconfig import CONTEXT, write_private
from kaito.local.supervisor.manifests import RIGHTS, shipped

_log = get_logger()

NAMESPACE: Final = "kaito-system"
ACCOUNTS: Final = ("kaito-controller", "kaito-provisioner", "kaito-node", "kaito-proxy")
TOKEN_SECONDS: Final = 24 * 3600
"""Asked for; a server may give less."""
RENEW_AT: Final = 0.8
"""Share of a token's life after which it is renewed. Source: kubelet's token manager."""
CHECK_SECONDS: Final = 60.0
"""How often the wall clock is looked at: a machine that slept finds its tokens expired, however short it was awake."""


class ServiceAccounts:
    """The identities of one cluster's processes: a kubeconfig and a token file each, mode 0600, in one folder."""

    def __init__(self, admin: Path, folder: Path, clock: Clock) -> None:
        self._admin = admin
        self._folder = folder
        self._clock = clock
        self.renew_at = clock.now()

    async def install(self) -> None:
        """Apply the roles and write credentials for every account.

        KaitoError as the API server answers, when the user's own rights do not reach that far.
        """
        self._folder.mkdir(mode=0o700, exist_ok=True)
        settings = load_connection(str(self._admin))
        client = await Client.connect(settings, field_manager="kaito")
        try:
            for folder in RIGHTS:
                for obj in shipped(folder):
                    await client.apply(obj)
            await self._write_tokens(client)
        finally:
            await client.close()
        for account in ACCOUNTS:
            write_private(self._folder / f"{account}.kubeconfig", orjson.dumps(self._kubeconfig(account, settings)))

    async def keep_valid(self) -> None:
        """Renew the tokens in time, until cancelled."""
        while True:
            await self._clock.sleep(CHECK_SECONDS)
            await self.renew_when_due()

    async def renew_when_due(self) -> bool:
        """Renew the tokens if it is time; say whether they are new. A failure is logged: the next look tries again."""
        if self._clock.now() < self.renew_at:
            return False
        try:
            client = await Client.connect(load_connection(str(self._admin)), field_manager="kaito")
            try:
                await self._write_tokens(client)
            finally:
                await client.close()
        except KaitoError as error:
            _log.warning("the tokens of the processes could not be renewed", error=str(error))
            return False
        return True

    async def _write_tokens(self, client: Client) -> None:
        """Ask for a token for each account, and note when they are to be renewed."""
        asked = self._clock.now()
        lives = []
        for account in ACCOUNTS:
            body = {
                "apiVersion": "authentication.k8s.io/v1",
                "kind": "TokenRequest",
                "spec": {"expirationSeconds": TOKEN_SECONDS},
            }
            answer = await client.create_subresource(SERVICE_ACCOUNT, Key(NAMESPACE, account), "token", body)
            write_private(self._token_file(account), answer["status"]["token"].encode())
            lives.append(float(answer["spec"]["expirationSeconds"]))
        self.renew_at = asked + timedelta(seconds=min(lives) * RENEW_AT)

    def _token_file(self, account: str) -> Path:
        return self._folder / f"{account}.token"

    def _kubeconfig(self, account: str, admin: ConnectionSettings) -> Object:
        name = CONTEXT
        cluster: Object = {"server": admin.server}
        if authority := _authority(admin):
            cluster["certificate-authority-data"] = base64.b64encode(authority).decode()
        for field, value in (
            ("insecure-skip-tls-verify", admin.insecure),
            ("tls-server-name", admin.tls_server_name),
            ("proxy-url", admin.proxy_url),
        ):
            if value:
                cluster[field] = value
        return {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": name,
            "clusters": [{"name": name, "cluster": cluster}],
            "users": [{"name": name, "user": {"tokenFile": str(self._token_file(account))}}],
            "contexts": [{"name": name, "context": {"cluster": name, "user": name}}],
        }


def _authority(admin: ConnectionSettings) -> bytes:
    if admin.ca_data is not None:
        return admin.ca_data
    return admin.ca_file.read_bytes() if admin.ca_file is not None else b""
