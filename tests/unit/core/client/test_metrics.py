"""Requests are counted under client-go's names."""

import asyncio

import pytest
from prometheus_client import CollectorRegistry

from kaito.core import ApiError, Client, ConnectionLostError, Key, NotFoundError
from kaito.core.kinds import CONFIG_MAP
from kaito.testing import VirtualClock

KEY = Key("ns", "a")
HOST = "127.0.0.1"


async def connected(api, registry, **options):
    return await Client.connect(api.settings, field_manager="test", registry=registry, **options)


async def test_requests_are_counted_by_code_method_and_host(api):
    registry = CollectorRegistry()
    client = await connected(api, registry)
    for _ in range(2):
        with pytest.raises(NotFoundError):
            await client.delete(CONFIG_MAP, KEY)
    await api.stop()
    with pytest.raises(ConnectionLostError):
        await client.delete(CONFIG_MAP, KEY)
    await client.close()

    def count(code):
        return registry.get_sample_value("rest_client_requests_total", {"code": code, "method": "DELETE", "host": HOST})

    assert (count("404"), count("<error>")) == (2, 1)


async def test_durations_sizes_and_retries_are_measured_where_asked_for(api, refuse, until):
    registry, clock = CollectorRegistry(), VirtualClock()
    client = await connected(api, registry, clock=clock, detailed_metrics=True)
    left = [refuse(429, "TooManyRequests", **{"Retry-After": "1"})]
    api.faults.append(lambda _: left.pop() if left else None)
    creating = asyncio.create_task(
        client.create({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a", "namespace": "ns"}})
    )
    await until(lambda: clock.sleeping)
    await clock.advance(1)
    await creating
    await client.close()
    labels = {"verb": "POST", "host": HOST}
    for name in ("request_duration_seconds", "request_size_bytes", "response_size_bytes"):
        assert registry.get_sample_value(f"rest_client_{name}_count", labels) == 2
    assert registry.get_sample_value("rest_client_request_size_bytes_sum", labels) > 100
    assert registry.get_sample_value("rest_client_request_retries_total", {**labels, "code": "429"}) == 1


async def test_only_the_count_is_kept_otherwise(api, refuse):
    registry = CollectorRegistry()
    client = await connected(api, registry)
    api.faults.append(lambda _: refuse(500, "InternalError"))
    with pytest.raises(ApiError):
        await client.list(CONFIG_MAP)
    await client.close()
    assert {metric.name for metric in registry.collect()} == {"rest_client_requests"}
