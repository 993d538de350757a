"""The cloud as the reconciler sees it."""

import asyncio

import pytest
from prometheus_client import CollectorRegistry

from kaito.core import KaitoError
from kaito.core.client import fenced
from kaito.provisioner.clouds import Claim
from kaito.provisioner.metrics import MeteredCloud, ProvisionerMetrics


async def test_who_leads_no_more_buys_and_ends_nothing(world):
    cloud = MeteredCloud(world.cloud, ProvisionerMetrics(CollectorRegistry()), world.clock)
    leads = True

    def in_a_leader(call):
        return asyncio.create_task(call, context=fenced(lambda: leads))

    await in_a_leader(cloud.create(Claim("bought", ("Standard_NC6s_v3",))))
    leads = False
    for call in (cloud.create(Claim("second", ("Standard_NC6s_v3",))), cloud.delete("bought")):
        with pytest.raises(KaitoError, match="LeadershipLost"):
            await in_a_leader(call)
    assert [one.name for one in await in_a_leader(cloud.list())] == ["bought"]
    assert not (await cloud.get("bought")).terminating
