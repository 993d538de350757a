"""Field management: who owns which field of an object, for server-side apply.

`apply` carries out a server-side apply, `update` records what any other write took. Both return a new object with its
`metadata.managedFields`; an apply that changes nothing returns the live object as it was, times included.
"""

from kaito.apiserver.fieldmanager.apply import apply, update
from kaito.apiserver.fieldmanager.types import require_types

__all__ = ["apply", "require_types", "update"]
