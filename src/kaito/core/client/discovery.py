"""Where a kind lives: its plural and scope, known or asked from the server once."""

import re
from dataclasses import dataclass
from urllib.parse import quote

from kaito.core.client.codec import read_object
from kaito.core.client.transport import Transport
from kaito.core.errors import NotFoundError, Status
from kaito.core.kinds import BUILT_IN
from kaito.core.objects import Key, Kind


@dataclass(frozen=True)
class Resource:
    """The collection that holds a kind's objects."""

    api_version: str
    plural: str
    namespaced: bool

    def path(self, namespace: str, name: str = "", subresource: str = "") -> str:
        """Return the URL path of an object, or of the collection without a name; no namespace means all of them."""
        root = f"/apis/{self.api_version}" if "/" in self.api_version else f"/api/{self.api_version}"
        scope = f"/namespaces/{_quoted(namespace)}" if self.namespaced and namespace else ""
        suffix = (f"/{_quoted(name)}" if name else "") + (f"/{subresource}" if subresource else "")
        return f"{root}{scope}/{self.plural}{suffix}"

    def path_of(self, key: Key, subresource: str = "") -> str:
        """Return the URL path of one object; a namespaced one without a namespace is in `default`."""
        return self.path(key.namespace or "default", key.name, subresource)


class Discovery:
    """Finds resources; what was found is remembered, what was not is asked again."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport
        self._known = {
            (kind.api_version, kind.kind): Resource(kind.api_version, kind.plural, bool(kind.namespaced))
            for kind in BUILT_IN
        }

    def known(self, api_version: str, kind: str) -> Resource | None:
        """Return the resource if it is known already."""
        return self._known.get((api_version, kind))

    async def of_kind(self, kind: Kind[object]) -> Resource:
        """Return a kind's resource. Raises NotFoundError if the server does not serve it (a CRD is missing)."""
        if kind.plural and kind.namespaced is not None:
            resource = Resource(kind.api_version, kind.plural, kind.namespaced)
            self._known.setdefault((kind.api_version, kind.kind), resource)
            return resource
        return await self.find(kind.api_version, kind.kind)

    async def find(self, api_version: str, kind: str) -> Resource:
        """Return the resource of a kind named by `apiVersion` and `kind`."""
        if found := self._known.get((api_version, kind)):
            return found
        path = f"/apis/{api_version}" if "/" in api_version else f"/api/{api_version}"
        try:
            answer = read_object(await self._transport.request("GET", path), f"GET {path}")
        except NotFoundError as error:
            raise _not_served(api_version, kind) from error
        for item in answer.get("resources") or ():
            if "/" not in item["name"]:
                resource = Resource(api_version, item["name"], bool(item["namespaced"]))
                self._known[api_version, item["kind"]] = resource
        if found := self._known.get((api_version, kind)):
            return found
        raise _not_served(api_version, kind)


def _quoted(name: str) -> str:
    """Return `name` as part of a path; names of objects hardly ever need to be rewritten for that."""
    return name if _PLAIN(name) else quote(name, safe="")


_PLAIN = re.compile(r"[a-z0-9.-]*").fullmatch


def _not_served(api_version: str, kind: str) -> NotFoundError:
    error = NotFoundError(Status(404, "NotFound", f"the server does not serve kind {kind} of {api_version}"))
    error.remedy = "Install its CustomResourceDefinition."
    return error
