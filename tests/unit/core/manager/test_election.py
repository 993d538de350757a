"""Two replicas of a manager: one works, the other stands by; against the embedded API server."""

import asyncio

import aiohttp
import pytest

from kaito.core import DONE, Controller, KaitoError, Key, Manager
from kaito.core.kinds import CONFIG_MAP, EVENT, LEASE


class Copier:
    """Writes a ConfigMap once per key, when it is let."""

    def __init__(self, manager):
        self.manager, self.seen, self.wrote, self.hold = manager, [], [], None

    async def reconcile(self, key):
        if not key.name.startswith("in-"):
            return DONE
        self.seen.append(key.name)
        if self.hold is not None:
            await self.hold.wait()
        metadata = {"name": f"out-{key.name}", "namespace": key.namespace}
        await self.manager.client.apply({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata})
        self.wrote.append(key.name)
        return DONE


class Replica:
    def __init__(self, settings, namespace="default", *, warm_up=False):
        self.settings, self.namespace, self.warm_up = settings, namespace, warm_up
        self.ready, self.end = asyncio.Event(), asyncio.Event()
        self.standing_by, self.led = asyncio.Event(), asyncio.Event()
        self.task = asyncio.create_task(self._run())

    async def _run(self):
        async with Manager.connect("copier", settings=self.settings) as self.manager:
            self.manager.elect(self.namespace)
            self.copier = Copier(self.manager)
            self.controller = Controller("copier", self.copier, warm_up=self.warm_up).watching(CONFIG_MAP)
            self.manager.add(self.controller)
            self.manager.add_runnable(self._until_cancelled(self.led))
            self.manager.add_runnable(self._until_cancelled(self.standing_by), needs_leadership=False)
            await self.manager.start()
            self.ready.set()
            running = self.manager._running
            told = asyncio.create_task(self.end.wait())
            await asyncio.wait((told, running), return_when=asyncio.FIRST_COMPLETED)
            told.cancel()

    @staticmethod
    def _until_cancelled(begun):
        async def run():
            begun.set()
            await asyncio.Event().wait()

        return run

    @property
    def leads(self):
        return self.manager._election.leadership.held

    async def get(self, path):
        url = f"http://127.0.0.1:{self.manager.metrics_port}{path}"
        async with aiohttp.ClientSession() as session, session.get(url) as answer:
            return answer.status, await answer.text()

    async def stop(self):
        self.end.set()
        await asyncio.wait_for(self.task, 10)


@pytest.fixture
async def pair(server):
    replicas = [Replica(server.connection_settings) for _ in range(2)]
    for replica in replicas:
        await asyncio.wait_for(replica.ready.wait(), 10)
    while not any(replica.leads for replica in replicas):  # noqa: ASYNC110 - the state of a server behind real sockets
        await asyncio.sleep(0.01)
    replicas.sort(key=lambda replica: not replica.leads)
    yield replicas
    for replica in replicas:
        replica.end.set()
    await asyncio.wait([replica.task for replica in replicas], timeout=10)


async def write(client, name):
    metadata = {"name": name, "namespace": "default"}
    await client.apply({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata})


async def test_one_works_and_both_are_ready(pair, client, until):
    leader, standby = pair
    await write(client, "in-a")
    await until(lambda: leader.copier.wrote)
    assert standby.copier.seen == []
    assert (leader.led.is_set(), standby.led.is_set()) == (True, False)
    assert (leader.standing_by.is_set(), standby.standing_by.is_set()) == (True, True)
    for replica, status in ((leader, "1.0"), (standby, "0.0")):
        assert (await replica.get("/readyz"))[0] == 200
        assert (await replica.get("/healthz"))[0] == 200
        metrics = (await replica.get("/metrics"))[1]
        assert f'leader_election_master_status{{name="copier"}} {status}' in metrics
        assert 'leader_election_slowpath_total{name="copier"} 0.0' in metrics


async def test_a_standby_that_warms_up_has_its_keys_together_before_it_leads(pair, server, client, until):
    leader, cold = pair
    warm = Replica(server.connection_settings, warm_up=True)
    await asyncio.wait_for(warm.ready.wait(), 10)
    await write(client, "in-a")
    await until(lambda: leader.copier.wrote)
    await until(lambda: len(warm.controller._queue) >= 2)
    assert len(cold.controller._queue) == 0
    assert (warm.copier.seen, cold.copier.seen) == ([], [])
    await cold.stop()
    await leader.stop()
    await until(lambda: warm.copier.seen == ["in-a"])
    await warm.stop()


async def test_a_replica_that_warms_up_and_never_leads_ends_like_any_other(pair, server):
    warm = Replica(server.connection_settings, warm_up=True)
    await asyncio.wait_for(warm.ready.wait(), 10)
    await warm.stop()
    assert warm.copier.seen == []


async def test_the_other_takes_over_when_the_leader_stops(pair, client, until):
    leader, standby = pair
    await until(leader.led.is_set)
    await leader.stop()
    await until(standby.led.is_set)
    await write(client, "in-b")
    await until(lambda: standby.copier.wrote)
    lease = await client.get(LEASE, Key("default", "copier"))
    assert lease["spec"]["holderIdentity"] == standby.manager._election.leadership.identity
    assert lease["spec"]["leaseTransitions"] == 1
    events = await client.list(EVENT, "default")
    said = [event["message"].split(" ", 1)[1] for event in events.items if event["reason"] == "LeaderElection"]
    assert said.count("stopped leading") == 1


async def test_a_deposed_leader_writes_nothing_more_and_fails(pair, client, until):
    leader, standby = pair
    leader.copier.hold = asyncio.Event()
    await write(client, "in-c")
    await until(lambda: leader.copier.seen)
    leader.manager._election.leadership._state = _long_ago(leader)
    assert not leader.leads
    leader.copier.hold.set()
    with pytest.raises(KaitoError, match="LeadershipLost"):
        await asyncio.wait_for(leader.task, 10)
    assert leader.copier.wrote == []
    assert not standby.task.done()


def _long_ago(replica):
    state = replica.manager._election.leadership._state
    return type(state)(state.key, state.identity, state.timing, state.observed, state.renewed - 60)


async def test_without_a_namespace_there_is_no_election(server):
    async with Manager.connect("copier", settings=server.connection_settings) as manager:
        with pytest.raises(KaitoError, match="NamespaceMissing"):
            manager.elect()


async def test_a_candidate_can_be_stopped(server, pair):
    third = Replica(server.connection_settings)
    await asyncio.wait_for(third.ready.wait(), 10)
    await third.stop()
    assert not third.led.is_set()
