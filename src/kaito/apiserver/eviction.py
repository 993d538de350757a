"""Evictions: a pod is deleted, if its disruption budget allows it."""

import orjson

from kaito.apiserver import deletion, request, status
from kaito.apiserver.admission import Write
from kaito.apiserver.kinds import disruption
from kaito.apiserver.resources import GroupVersion
from kaito.apiserver.writes import Outcome, Writer
from kaito.core.clock import timestamp
from kaito.core.objects import Object

BUDGETS = "policy/poddisruptionbudgets"
_SUCCESS: Object = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "code": 201}


def evict(writer: Writer, write: Write, body: Object) -> Outcome:
    """Delete a pod on behalf of an Eviction. 429 while its budget forbids that; 500 when it has several budgets."""
    given = request.part(body, "deleteOptions")
    options = request.delete_options(write.options, orjson.dumps(given), request.JSON)
    dry = write.options.dry_run or "All" in options.dry_run
    pod = writer.live(write)
    if not disruption.needs_no_budget(pod):
        _ask_budget(writer, write, pod, dry=dry)
        if not dry:
            _mark(writer, write, pod)
    deletion.delete(writer, write, options)
    return Outcome(dict(_SUCCESS), 201)


def _ask_budget(writer: Writer, write: Write, pod: Object, *, dry: bool) -> None:
    namespace = pod["metadata"]["namespace"]
    budgets = [
        budget
        for budget in writer.store.objects(BUDGETS)
        if budget["metadata"]["namespace"] == namespace and disruption.covers(budget, pod)
    ]
    if len(budgets) > 1:
        raise status.internal(
            "This pod has more than one PodDisruptionBudget, which the eviction subresource does not support."
        )
    for budget in budgets:
        if disruption.spends_nothing(budget, pod):
            continue
        if why := disruption.refusal(budget):
            raise status.too_many_disruptions(why)
        disruption.spend(budget, pod, write.now)
        if not dry:
            resource = writer.registry.find(GroupVersion("policy", "v1"), "poddisruptionbudgets")
            assert resource is not None
            writer.save(resource, budget)


def _mark(writer: Writer, write: Write, pod: Object) -> None:
    """Write into the pod who ends it: a Job's failure policy asks for that."""
    kept = [item for item in pod["status"].get("conditions") or () if item["type"] != "DisruptionTarget"]
    mark = {
        "type": "DisruptionTarget",
        "status": "True",
        "reason": "EvictionByEvictionAPI",
        "message": "Eviction API: evicting",
        "lastProbeTime": None,
        "lastTransitionTime": timestamp(write.now),
    }
    pod["status"]["conditions"] = [*kept, mark]
    writer.save(write.resource, pod)
