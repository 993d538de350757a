"""The identities of the processes on a real API server, which here is a server that grants whatever it is asked for."""

import json
import stat
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from kaito.core import KaitoError, load_connection
from kaito.local.supervisor.manifests import RIGHTS, shipped
from kaito.local.supervisor.service_accounts import ACCOUNTS, NAMESPACE, TOKEN_SECONDS, ServiceAccounts
from kaito.testing import VirtualClock

RESOURCES = [
    {"kind": kind, "name": f"{kind.lower()}s", "namespaced": not kind.startswith("Cluster")}
    for kind in ("ClusterRole", "ClusterRoleBinding", "Role", "RoleBinding")
]


class Grants:
    """What was applied, and a token that tells how many were asked for. It gives them for `life` seconds."""

    def __init__(self) -> None:
        self.applied: list[str] = []
        self.tokens = 0
        self.life = TOKEN_SECONDS
        self.down = False

    async def answer(self, request: web.Request) -> web.Response:
        if self.down:
            return web.json_response(
                {"kind": "Status", "code": 403, "reason": "Forbidden", "message": "no"}, status=403
            )
        if request.method == "GET":
            return web.json_response({"kind": "APIResourceList", "resources": RESOURCES})
        if request.method == "PATCH":
            self.applied.append(request.path)
            return web.json_response(json.loads(await request.read()), status=201)
        self.tokens += 1
        body = json.loads(await request.read())
        body["spec"]["expirationSeconds"] = min(self.life, body["spec"]["expirationSeconds"])
        return web.json_response({**body, "status": {"token": f"token-{self.tokens}"}}, status=201)


@pytest.fixture
def grants() -> Grants:
    return Grants()


@pytest.fixture
async def admin(grants: Grants, tmp_path: Path) -> AsyncIterator[Path]:
    application = web.Application()
    application.router.add_route("*", "/{path:.*}", grants.answer)
    async with TestServer(application) as server:
        path = tmp_path / "admin"
        named = {"name": "real", "cluster": {"server": str(server.make_url("")), "insecure-skip-tls-verify": True}}
        context = {"name": "real", "context": {"cluster": "real", "user": "admin"}}
        user = {"name": "admin", "user": {"token": "admin"}}
        path.write_text(
            json.dumps({"clusters": [named], "users": [user], "contexts": [context], "current-context": "real"})
        )
        yield path


async def test_each_process_gets_a_kubeconfig_with_a_private_token_of_its_own(admin: Path, tmp_path: Path) -> None:
    folder = tmp_path / "credentials"
    await ServiceAccounts(admin, folder, VirtualClock()).install()
    tokens = set()
    for account in ACCOUNTS:
        settings = load_connection(str(folder / f"{account}.kubeconfig"))
        assert settings.server == load_connection(str(admin)).server
        assert settings.insecure
        assert settings.token is None, "the token is in a file of its own, so that it can be renewed"
        assert settings.token_file is not None
        assert stat.S_IMODE(settings.token_file.stat().st_mode) == 0o600
        tokens.add(settings.token_file.read_text())
    assert len(tokens) == len(ACCOUNTS)


async def test_the_shipped_roles_are_applied_before_any_process_needs_them(
    admin: Path, grants: Grants, tmp_path: Path
) -> None:
    await ServiceAccounts(admin, tmp_path / "credentials", VirtualClock()).install()
    for account in ACCOUNTS:
        assert f"/api/v1/namespaces/{NAMESPACE}/serviceaccounts/{account}" in grants.applied
        assert f"/apis/rbac.authorization.k8s.io/v1/clusterrolebindings/{account}" in grants.applied
    assert grants.applied[0] == f"/api/v1/namespaces/{NAMESPACE}"


@pytest.mark.parametrize(("life", "renewed_within"), [(TOKEN_SECONDS, 0.81 * TOKEN_SECONDS), (3600, 3000)])
async def test_tokens_are_renewed_before_they_expire(
    admin: Path, grants: Grants, tmp_path: Path, life: int, renewed_within: float
) -> None:
    clock = VirtualClock()
    grants.life = life
    accounts = ServiceAccounts(admin, tmp_path / "credentials", clock)
    await accounts.install()
    before = grants.tokens
    assert not await accounts.renew_when_due()
    await clock.advance(renewed_within)
    assert await accounts.renew_when_due()
    assert grants.tokens == before + len(ACCOUNTS)
    assert not await accounts.renew_when_due()


async def test_a_refused_renewal_is_tried_again_and_keeps_the_old_token(
    admin: Path, grants: Grants, tmp_path: Path
) -> None:
    clock, folder = VirtualClock(), tmp_path / "credentials"
    accounts = ServiceAccounts(admin, folder, clock)
    await accounts.install()
    before = (folder / "kaito-node.token").read_text()
    await clock.advance(TOKEN_SECONDS)
    grants.down = True
    assert not await accounts.renew_when_due()
    assert (folder / "kaito-node.token").read_text() == before
    grants.down = False
    assert await accounts.renew_when_due()
    assert (folder / "kaito-node.token").read_text() != before


async def test_an_admin_who_is_none_is_told_so(admin: Path, grants: Grants, tmp_path: Path) -> None:
    grants.down = True
    with pytest.raises(KaitoError, match="Forbidden"):
        await ServiceAccounts(admin, tmp_path / "credentials", VirtualClock()).install()


def rules() -> list[Any]:
    roles = [obj for folder in RIGHTS for obj in shipped(folder) if obj["kind"] in ("Role", "ClusterRole")]
    return [
        pytest.param(rule, id=f"{role['metadata']['name']}-{n}")
        for role in roles
        for n, rule in enumerate(role["rules"])
    ]


@pytest.mark.parametrize("rule", rules())
def test_no_role_reads_secrets_but_one_by_one_and_none_has_a_wildcard(rule: dict[str, list[str]]) -> None:
    assert "*" not in rule["verbs"] + rule["resources"] + rule["apiGroups"]
    if "secrets" in rule["resources"]:
        assert not {"list", "watch", "deletecollection"} & set(rule["verbs"])
