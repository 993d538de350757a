"""A cloud of nodes without machines: for trying the control plane on any cluster, without a GPU and without a bill."""

from kaito.provisioner.clouds.kwok.cloud import KwokCloud
from kaito.provisioner.clouds.kwok.node import PROVIDER_ID_PREFIX

__all__ = ["PROVIDER_ID_PREFIX", "KwokCloud"]
