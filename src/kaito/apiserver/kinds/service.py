"""Services: what a Service may not lack, and the cluster address each of them keeps for life."""

from collections.abc import Iterator

from kaito.apiserver.kinds.addresses import AddressesExhausted, ServiceAddresses
from kaito.apiserver.schema import Cause, FieldError, invalid, required
from kaito.core.objects import Object, key_of

_HEADLESS = "None"


def admit_service(obj: Object) -> None:
    """Fill in the address families; everything here is IPv4."""
    spec = obj["spec"]
    if spec["type"] == "ExternalName":
        return
    anywhere = spec.get("clusterIP") == _HEADLESS and not spec.get("selector")
    spec.setdefault("ipFamilyPolicy", "RequireDualStack" if anywhere else "SingleStack")
    spec.setdefault("ipFamilies", ["IPv4"] if spec["ipFamilyPolicy"] == "SingleStack" else ["IPv4", "IPv6"])


def warnings(new: Object, _old: Object) -> list[str]:
    """Return what the writer of a Service should know."""
    if new["spec"].get("externalName") and new["spec"]["type"] != "ExternalName":
        return ['spec.externalName is ignored when spec.type is not "ExternalName"']
    return []


def validate_service(obj: Object) -> list[FieldError]:
    """Return what is wrong with the ports of a Service."""
    spec = obj["spec"]
    ports = spec.get("ports") or []
    if not ports and spec["type"] != "ExternalName" and spec.get("clusterIP") != _HEADLESS:
        return [required("spec.ports")]
    errors = [*_repeated(ports)]
    if spec["type"] == "ExternalName" and not spec.get("externalName"):
        errors.append(required("spec.externalName"))
    for index, port in enumerate(ports):
        if len(ports) > 1 and not port.get("name"):
            errors.append(required(f"spec.ports[{index}].name"))
        if not 1 <= port.get("port", 0) <= 65535:
            errors.append(
                invalid(f"spec.ports[{index}].port", port.get("port"), "must be between 1 and 65535, inclusive")
            )
    return errors


def _repeated(ports: list[Object]) -> Iterator[FieldError]:
    """Yield names, and pairs of port and protocol, that another port before has."""
    names: set[str] = set()
    pairs: set[tuple[int, str]] = set()
    for index, port in enumerate(ports):
        name, pair = port.get("name", ""), (port.get("port", 0), port.get("protocol", "TCP"))
        if name and name in names:
            yield FieldError(Cause.DUPLICATE, f"spec.ports[{index}].name", name)
        if pair in pairs:
            yield FieldError(Cause.DUPLICATE, f"spec.ports[{index}]", {"Port": pair[0], "Protocol": pair[1]})
        names.add(name)
        pairs.add(pair)


def assign_address(obj: Object, addresses: ServiceAddresses, *, dry_run: bool) -> list[FieldError]:
    """Give a new Service its address: the one it asks for, none when headless, else a free one."""
    spec = obj["spec"]
    if spec["type"] == "ExternalName":
        return []
    wanted = spec.get("clusterIP") or next(iter(spec.get("clusterIPs") or ()), "")
    if not wanted:
        try:
            wanted = addresses.allocate(key_of(obj))
        except AddressesExhausted as error:
            return [invalid("spec.clusterIPs", [], f"failed to allocate an IP: {error}")]
    elif wanted != _HEADLESS and (why := addresses.claim(wanted)):
        return [invalid("spec.clusterIPs", [wanted], why)]
    if dry_run and wanted != _HEADLESS:
        addresses.release(wanted)
    spec["clusterIP"], spec["clusterIPs"] = wanted, [wanted]
    return []


def keep_address(new: Object, old: Object) -> list[FieldError]:
    """Carry the address over to an updated Service; changing it is an error."""
    before, after = old["spec"].get("clusterIP"), new["spec"].get("clusterIP")
    if before is None or new["spec"]["type"] == "ExternalName":
        return []
    if after and after != before:
        return [invalid("spec.clusterIPs[0]", [after], "may not change once set")]
    new["spec"]["clusterIP"] = before
    new["spec"]["clusterIPs"] = old["spec"].get("clusterIPs", [before])
    return []


def release_address(obj: Object, addresses: ServiceAddresses) -> None:
    """Give a deleted Service's address back."""
    address = obj.get("spec", {}).get("clusterIP")
    if address and address != _HEADLESS:
        addresses.release(address)
