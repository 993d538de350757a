"""Tables: what `kubectl get` prints, made by the server as `meta.k8s.io/v1` Table."""

from kaito.apiserver.table.durations import age, human_duration
from kaito.apiserver.table.jsonpath import JsonPath
from kaito.apiserver.table.tables import IncludeObject, builtin_table, crd_table

__all__ = ["IncludeObject", "JsonPath", "age", "builtin_table", "crd_table", "human_duration"]
