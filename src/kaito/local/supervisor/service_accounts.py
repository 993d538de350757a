"""Runs each process under its own ServiceAccount, with the rights that are shipped and no other."""

import base64
from pathlib import Path
from typing import Final

import orjson
import structlog

from kaito.core import Client, ConnectionSettings, Object, load_connection
from kaito.core.clock import Clock
from kaito.core.errors import KaitoError
from kaito.local.supervisor.kubeconfig import CONTEXT, write_private
from kaito.local.supervisor.manifests import RIGHTS, shipped

_log = structlog.get_logger()

NAMESPACE: Final = "kaito-system"
ACCOUNTS: Final = ("kaito-controller", "kaito-provisioner", "kaito-node", "kaito-proxy")
TOKEN_SECONDS: Final = 24 * 3600
"""Asked for; a server may give less."""
RENEW_AT: Final = 0.8
"""Share of a token's life after which it is renewed. Source: kubelet's token manager."""
RETRY_SECONDS: Final = 30.0


class ServiceAccounts:
    """The identities of one cluster's processes: a kubeconfig and a token file each, mode 0600, in one folder."""

    def __init__(self, admin: Path, folder: Path, clock: Clock) -> None:
        self._admin = load_connection(str(admin))
        self._folder = folder
        self._clock = clock
        self._renew_after = RETRY_SECONDS

    async def install(self) -> None:
        """Apply the roles and write credentials for every account.

        KaitoError as the API server answers, when the user's own rights do not reach that far.
        """
        self._folder.mkdir(mode=0o700, exist_ok=True)
        client = await Client.connect(self._admin, field_manager="kaito")
        try:
            for folder in RIGHTS:
                for obj in shipped(folder):
                    await client.apply(obj)
            self._renew_after = await self._write_tokens(client)
        finally:
            await client.close()
        for account in ACCOUNTS:
            write_private(self._folder / f"{account}.kubeconfig", orjson.dumps(self._kubeconfig(account)))

    async def keep_valid(self) -> None:
        """Renew the tokens in time, until cancelled."""
        while True:
            await self._clock.sleep(self._renew_after)
            try:
                client = await Client.connect(self._admin, field_manager="kaito")
                try:
                    self._renew_after = await self._write_tokens(client)
                finally:
                    await client.close()
            except KaitoError as error:
                _log.warning("the tokens of the processes could not be renewed", error=str(error))
                self._renew_after = RETRY_SECONDS

    async def _write_tokens(self, client: Client) -> float:
        """Ask for a token for each account; return the seconds until they are to be renewed."""
        lives = []
        for account in ACCOUNTS:
            body = {
                "apiVersion": "authentication.k8s.io/v1",
                "kind": "TokenRequest",
                "spec": {"expirationSeconds": TOKEN_SECONDS},
            }
            path = f"/api/v1/namespaces/{NAMESPACE}/serviceaccounts/{account}/token"
            answer: Object = await client.request("POST", path, body=body)
            write_private(self._token_file(account), answer["status"]["token"].encode())
            lives.append(float(answer["spec"]["expirationSeconds"]))
        return min(lives) * RENEW_AT

    def _token_file(self, account: str) -> Path:
        return self._folder / f"{account}.token"

    def _kubeconfig(self, account: str) -> Object:
        name, admin = CONTEXT, self._admin
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
