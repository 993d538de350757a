"""An operator: every Greeting gets a ConfigMap with its text, and a status that says so."""

import msgspec

from kaito.core import DONE, Controller, KaitoError, Key, Kind, Manager, Metadata, Result, configure_logging, run
from kaito.core.kinds import CONFIG_MAP

HELLO = {"en": "Hello", "fr": "Bonjour"}


class GreetingSpec(msgspec.Struct):
    name: str
    language: str = "en"


class Greeting(msgspec.Struct):
    metadata: Metadata
    spec: GreetingSpec


GREETING = Kind("example.com/v1", "Greeting", Greeting)


class Greeter:
    def __init__(self, manager: Manager) -> None:
        self._cache, self._client = manager.cache, manager.client

    async def reconcile(self, key: Key) -> Result:
        greeting = self._cache.get(GREETING, key)
        if greeting is None:
            return DONE  # the ConfigMap goes with its owner
        if (language := greeting.spec.language) not in HELLO:
            raise KaitoError("LanguageUnknown", f"{key}: spec.language is {language!r}", terminal=True)
        owner = GREETING.reference(greeting.metadata)
        note = {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": key.name, "namespace": key.namespace},
            "data": {"text": f"{HELLO[language]}, {greeting.spec.name}!"},
        }
        await self._client.apply(note, owner=owner)
        await self._client.apply({**owner, "status": {"phase": "Greeted"}}, subresource="status")
        return DONE


def greeter(manager: Manager) -> Controller:
    return Controller("greeter", Greeter(manager)).watching(GREETING).owning(CONFIG_MAP)


async def main() -> None:
    configure_logging()
    async with Manager.connect("greeter") as manager:
        manager.add(greeter(manager))
        await manager.run()


if __name__ == "__main__":
    run(main())
