"""Definitions of custom resources that a test needs on the server."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from asking import Api

DEFINITIONS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"


@contextmanager
def defined(api: Api, definition: dict[str, Any]) -> Iterator[None]:
    """Have a definition established and its resources served; one that was there before stays."""
    path = f"{DEFINITIONS}/{definition['metadata']['name']}"
    spec = definition["spec"]
    there = api.get(path).code == 200
    if not there:
        assert api.post(DEFINITIONS, definition).code == 201
    api.until(lambda: api.get(path).body, established)
    served = f"/apis/{spec['group']}/{spec['versions'][0]['name']}/{spec['names']['plural']}"
    api.until(lambda: api.get(served).code, lambda code: code == 200)
    yield
    if not there:
        api.delete(path)
        api.until(lambda: api.get(path).code, lambda code: code == 404)


def established(crd: dict[str, Any]) -> bool:
    """Tell whether the server has taken a definition and its names."""
    conditions = {one["type"]: one["status"] for one in crd.get("status", {}).get("conditions") or ()}
    return conditions.get("Established") == "True" and conditions.get("NamesAccepted") == "True"
