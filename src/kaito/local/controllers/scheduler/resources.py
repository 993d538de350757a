"""What a pod asks for and what a node has left. Pure. Source: Kubernetes' `NodeResourcesFit` plugin."""

from collections.abc import Iterable, Mapping
from fractions import Fraction

from kaito.core import Object
from kaito.core.quantity import parse_quantity

Resources = dict[str, Fraction]
"""Amounts by resource name: cores, bytes, pieces."""


def requests(pod: Object) -> Resources:
    """Return what the scheduler reserves for a pod.

    The sum over containers, at least the largest init container (they run one after the other, before), and one of
    `pods`. Init containers that restart always (sidecars) run beside the others and are added.
    """
    spec = pod["spec"]
    total: Resources = {}
    for container in spec.get("containers") or ():
        _add(total, _container_requests(container))
    sidecars: Resources = {}
    peak: Resources = {}
    for container in spec.get("initContainers") or ():
        own = _container_requests(container)
        if container.get("restartPolicy") == "Always":
            _add(sidecars, own)
            _at_least(peak, sidecars)
        else:
            _add(own, sidecars)
            _at_least(peak, own)
    _add(total, sidecars)
    _at_least(total, peak)
    _add(total, _amounts(spec.get("overhead") or {}))
    total["pods"] = Fraction(1)
    return total


def allocatable(node: Object) -> Resources:
    """Return what the node offers to pods."""
    status = node.get("status") or {}
    return _amounts(status.get("allocatable") or status.get("capacity") or {})


def used(pods: Iterable[Object]) -> Resources:
    """Return what pods reserve together."""
    total: Resources = {}
    for pod in pods:
        _add(total, requests(pod))
    return total


def shortages(wanted: Mapping[str, Fraction], node: Mapping[str, Fraction], taken: Mapping[str, Fraction]) -> list[str]:
    """Return the resources that the node lacks for `wanted`, in Kubernetes' words."""
    return [
        "Too many pods" if name == "pods" else f"Insufficient {name}"
        for name, amount in wanted.items()
        if amount > 0 and taken.get(name, Fraction(0)) + amount > node.get(name, Fraction(0))
    ]


def _container_requests(container: Object) -> Resources:
    """Return the requests; they default to the limits, name by name."""
    resources = container.get("resources") or {}
    return _amounts({**(resources.get("limits") or {}), **(resources.get("requests") or {})})


def _amounts(written: Mapping[str, str]) -> Resources:
    return {name: parse_quantity(amount) for name, amount in written.items()}


def _add(total: Resources, more: Mapping[str, Fraction]) -> None:
    for name, amount in more.items():
        total[name] = total.get(name, Fraction(0)) + amount


def _at_least(total: Resources, floor: Mapping[str, Fraction]) -> None:
    for name, amount in floor.items():
        total[name] = max(total.get(name, Fraction(0)), amount)
