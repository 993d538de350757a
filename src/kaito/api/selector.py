"""The labels of a Workspace's nodes, written as a label selector."""

from typing import Annotated, Literal

from pydantic import ConfigDict, Field

from kaito.api.fields import Rule, rules
from kaito.api.formats import LABEL_KEY_MESSAGE, LABEL_KEY_RULE, LabelKey, LabelValue
from kaito.api.meta import Model

_KEYS = LABEL_KEY_RULE.replace("KEY", "key")


class LabelSelectorRequirement(Model):
    """`metav1.LabelSelectorRequirement`."""

    key: LabelKey
    operator: Literal["In", "NotIn", "Exists", "DoesNotExist"]
    values: Annotated[tuple[LabelValue, ...], Field(max_length=64)] = ()


class LabelSelector(Model):
    """`metav1.LabelSelector`. New nodes get its labels, so it has to name some: each key with one value."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            Rule(
                "(has(self.matchLabels) && size(self.matchLabels) > 0) || "
                "(has(self.matchExpressions) && size(self.matchExpressions) > 0)",
                "must name a label for the nodes, as matchLabels: {app: my-model}",
                ".matchLabels",
            ),
            Rule(
                "!has(self.matchExpressions) || self.matchExpressions.all(entry, "
                "entry.operator == 'In' && has(entry.values) && size(entry.values) == 1)",
                "must say labels that a new node can be given: operator In with one value; use matchLabels",
                ".matchExpressions",
            ),
        )
    )

    match_labels: Annotated[
        dict[str, LabelValue],
        Field(max_length=64, json_schema_extra=rules(Rule(f"self.all(key, {_KEYS})", LABEL_KEY_MESSAGE))),
    ] = Field(default_factory=dict)
    match_expressions: Annotated[tuple[LabelSelectorRequirement, ...], Field(max_length=64)] = ()

    @property
    def labels(self) -> dict[str, str]:
        """The labels that are selected by exactly one value; `matchLabels` wins."""
        single = {
            entry.key: entry.values[0]
            for entry in self.match_expressions
            if entry.operator == "In" and len(entry.values) == 1
        }
        return single | self.match_labels
