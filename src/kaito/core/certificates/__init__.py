"""Certificates of a server inside a cluster, which make and rotate themselves and agree between replicas.

One Secret holds what is served now, what is served next, and every authority that callers shall trust. Each generation
has an authority of its own, whose key is thrown away after its one signature; so a new certificate always means a new
authority, and callers must know that one before it is used. `decide` says what is to be done; `keeper` does it;
`signing` alone knows X.509. Certificates that somebody else makes, as files, are `watcher`'s.
"""

from kaito.core.certificates.decide import Action, Policy, decide
from kaito.core.certificates.generation import Authority, Generation, unexpired
from kaito.core.certificates.keeper import CertificateKeeper, Trusting
from kaito.core.certificates.material import Material, secret_data
from kaito.core.certificates.signer import issue, read_secret
from kaito.core.certificates.watcher import CertificateWatcher, WatcherMetrics

__all__ = [
    "Action",
    "Authority",
    "CertificateKeeper",
    "CertificateWatcher",
    "Generation",
    "Material",
    "Policy",
    "Trusting",
    "WatcherMetrics",
    "decide",
    "issue",
    "read_secret",
    "secret_data",
    "unexpired",
]
