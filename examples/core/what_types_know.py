"""What a type checker knows about the library's answers: `mypy --strict what_types_know.py`. Nothing here is run."""

from typing import Any, assert_type

from greeter import GREETING, Greeting
from pydantic import BaseModel

from kaito.core import CacheEntry, Client, Controller, Key, Kind, Manager, ObjectList, Reconciler, Result
from kaito.core.kinds import POD


class Meta(BaseModel):
    name: str


class Service(BaseModel):
    metadata: Meta


SERVICE = Kind("v1", "Service", Service)
KEY = Key("default", "anna")


async def what_a_kind_is_read_as(manager: Manager, client: Client) -> None:
    # The kind decides: a msgspec struct, a pydantic model, or plain JSON.
    assert_type(manager.cache.get(GREETING, KEY), Greeting | None)
    assert_type(manager.cache.list(SERVICE, "default"), list[Service])
    assert_type(manager.cache.get(POD, KEY), dict[str, Any] | None)
    assert_type(manager.cache.entry(GREETING, KEY), CacheEntry[Greeting] | None)
    assert_type(await client.get(SERVICE, KEY), Service)
    assert_type(await client.list(GREETING), ObjectList[Greeting])
    async for page in client.pages(GREETING):
        assert_type(page, ObjectList[Greeting])
    async for event in client.watch(GREETING):
        assert_type(event.object, Greeting)
    if (entry := manager.cache.entry(GREETING, KEY)) is not None:
        assert_type(entry.decode().spec.name, str)


class Sleepy:
    """A reconciler is any class with this method: there is nothing to inherit from."""

    async def reconcile(self, key: Key) -> Result:
        return Result(requeue_after=60)


def what_a_controller_takes() -> Controller:
    reconciler: Reconciler = Sleepy()
    return Controller("sleepy", reconciler, workers=2).watching(GREETING)
