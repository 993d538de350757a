"""Why the proxy cannot listen on an address, in words that end with what to do. Pure."""

import errno

from kaito.core import Object
from kaito.local.proxy.table import Address

REASON = "ClusterIPNotReachable"


def refusal_message(address: Address, error: OSError, service: Object, endpoints: tuple[Address, ...]) -> str:
    """Return the message of the warning event for a Service whose address cannot be listened on."""
    causes = {
        errno.EACCES: f"port {address.port} needs root here",
        errno.EPERM: f"{address.host} can be put on this machine by root only",
        errno.EADDRNOTAVAIL: f"{address.host} is not an address of this machine",
        errno.EADDRINUSE: f"another program listens on {address}",
    }
    cause = causes.get(error.errno or 0, error.strerror or str(error))
    name, namespace = service["metadata"]["name"], service["metadata"]["namespace"]
    pod = endpoints[0] if endpoints else None
    direct = f"`curl http://{pod}/…` asks the pod itself; " if pod else ""
    return (
        f"{address} of this Service does not answer on this machine: {cause}. {direct}"
        f"`kubectl get endpoints {name} -n {namespace}` lists the pods' addresses."
    )
