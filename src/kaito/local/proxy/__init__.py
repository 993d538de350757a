"""The service proxy of a local cluster: `curl http://$CLUSTERIP/…` reaches a ready pod."""

from kaito.local.proxy.forwarder import Forwarder
from kaito.local.proxy.reconciler import ServiceProxy, service_proxy
from kaito.local.proxy.table import Address, table

__all__ = ["Address", "Forwarder", "ServiceProxy", "service_proxy", "table"]
