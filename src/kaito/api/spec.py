"""What a user asks for in a Workspace: `resource`, `inference`, `tuning`. Fields are KAITO's own.

Rules that the API server can check stand beside the fields they are about; they hold without any webhook.
"""

from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, WithJsonSchema

from kaito.api.data import SOURCES, AdapterSpec, DataDestination, DataSource, SecretNames
from kaito.api.fields import Name, Rule, rules
from kaito.api.formats import (
    LABEL_VALUE,
    METHOD,
    MIG_PROFILE,
    PRESET_NAME,
    ConfigMapName,
    Image,
    SecretName,
    matches,
)
from kaito.api.meta import SpecModel
from kaito.api.selector import LabelSelector

_NEW = "make a new Workspace to change it"

PodTemplate = Annotated[
    dict[str, Any],
    WithJsonSchema(
        {
            "type": "object",
            "x-kubernetes-preserve-unknown-fields": True,
            "required": ["spec"],
            "properties": {
                "spec": {
                    "type": "object",
                    "x-kubernetes-preserve-unknown-fields": True,
                    "required": ["containers"],
                    "properties": {
                        "containers": {
                            "type": "array",
                            "minItems": 1,
                            "maxItems": 64,
                            "items": {
                                "type": "object",
                                "x-kubernetes-preserve-unknown-fields": True,
                                "required": ["name", "image"],
                                "properties": {
                                    "name": {"type": "string", "minLength": 1, "maxLength": 63},
                                    "image": {"type": "string", "minLength": 1, "maxLength": 1024},
                                },
                            },
                        }
                    },
                }
            },
        }
    ),
]
"""A `core/v1.PodTemplateSpec`, as far as every one is the same; the rest is kept as it is."""


def _same(field: str) -> str:
    """Return the CEL of "an optional field is as it was: absent before and now, or equal"."""
    return f"has(self.{field}) == has(oldSelf.{field}) && (!has(self.{field}) || self.{field} == oldSelf.{field})"


def _fixed(field: str) -> Rule:
    """Return the rule that a field, once set, stays as it is."""
    rule = f"!has(oldSelf.{field}) || !has(self.{field}) || self.{field} == oldSelf.{field}"
    return Rule(rule, f"{field} is immutable; {_NEW}", f".{field}")


class Partition(SpecModel):
    """A part of a node's GPUs; only with nodes that are there already."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            Rule(
                "self.mode != 'mig' || (has(self.profile) && !has(self.count))",
                "mode mig needs a profile, as 2g.24gb, and no count",
                ".profile",
            ),
            Rule(
                "self.mode != 'accelerator' || (has(self.count) && !has(self.profile))",
                "mode accelerator needs a count of GPUs, and no profile",
                ".count",
            ),
        )
    )

    mode: Literal["mig", "accelerator"]
    """`mig` takes slices of a GPU, `accelerator` takes whole GPUs."""

    profile: (
        Annotated[str, Field(max_length=32, json_schema_extra=matches(MIG_PROFILE, "must be as 2g.24gb"))] | None
    ) = None
    """MIG profile, for example `2g.24gb`."""

    count: Annotated[int, Field(ge=1, le=64)] | None = None
    """Whole GPUs, in mode `accelerator`."""


class ResourceSpec(SpecModel):
    """The nodes: which size, and the labels they carry."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            _fixed("instanceType"),
            _fixed("count"),
            Rule(_same("partition"), f"partition is immutable; {_NEW}", ".partition"),
        )
    )

    count: Annotated[int, Field(ge=1, le=1000)] = 1
    """Number of nodes where no preset says how many it needs."""

    instance_type: Annotated[
        str,
        Field(
            max_length=63,
            json_schema_extra=matches(LABEL_VALUE, "must be a machine size of the cloud, as Standard_NC24ads_A100_v4"),
        ),
    ] = "Standard_NC24ads_A100_v4"
    """Machine size of each node, as the cloud calls it."""

    label_selector: Annotated[
        LabelSelector,
        Field(
            json_schema_extra={
                "x-kubernetes-map-type": "atomic",
                **rules(Rule("self == oldSelf", f"labelSelector is immutable; {_NEW}")),
            }
        ),
    ]
    """Labels that the nodes get, and that pods look for. Nodes of one Workspace are never shared with another."""

    preferred_nodes: Annotated[tuple[Name, ...], Field(max_length=64)] = ()
    """Deprecated, without effect."""

    partition: Partition | None = None
    """A part of a node's GPUs."""


class PresetOptions(SpecModel):
    """How the preset's files are reached."""

    image: Image | None = None
    """Image with the model's files."""

    image_pull_secrets: SecretNames = ()
    """Secrets for that image, in the Workspace's namespace."""

    model_access_secret: SecretName | None = None
    """Secret in the Workspace's namespace with a Hugging Face token under the key `HF_TOKEN`."""


class PresetSpec(SpecModel):
    """A model that kaito knows how to run."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            Rule("self.name == oldSelf.name", f"preset is immutable; {_NEW}", ".name"),
            Rule(
                "(has(self.presetOptions) && has(self.presetOptions.image) ? self.presetOptions.image : '') == "
                "(has(oldSelf.presetOptions) && has(oldSelf.presetOptions.image) ? oldSelf.presetOptions.image : '')",
                f"the preset's image is immutable; {_NEW}",
                ".presetOptions.image",
            ),
        )
    )

    name: Annotated[
        str,
        Field(
            min_length=1,
            max_length=128,
            json_schema_extra=matches(
                PRESET_NAME, "must be the name of a preset, as phi-3-mini-4k-instruct or owner/model"
            ),
        ),
    ]
    """Name in the preset registry, whatever the case."""

    access_mode: Literal["public", "private"] = "public"
    """Deprecated, without effect."""

    preset_options: PresetOptions | None = None
    """How the preset's files are reached."""


class InferenceSpec(SpecModel):
    """The model to serve."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            Rule("has(self.preset) != has(self.template)", "exactly one of preset and template must be set"),
            Rule("has(self.preset) == has(oldSelf.preset)", f"preset or template is immutable; {_NEW}", ".preset"),
        )
    )

    preset: PresetSpec | None = None
    """A model that kaito knows how to run."""

    template: PodTemplate | None = None
    """Your own pod (`core/v1.PodTemplateSpec`)."""

    config: ConfigMapName | None = None
    """ConfigMap in the Workspace's namespace with settings of the server under the key `inference_config.yaml`."""

    adapters: Annotated[
        tuple[AdapterSpec, ...],
        Field(
            max_length=10,
            json_schema_extra=rules(
                Rule(
                    "self.all(a, !has(a.source.name) || self.exists_one(b, has(b.source.name) && "
                    "b.source.name == a.source.name))",
                    "adapter names must differ",
                )
            ),
        ),
    ] = ()
    """LoRA adapters of the model."""


class TuningSpec(SpecModel):
    """A fine-tuning job."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            Rule("self.method == oldSelf.method", f"method is immutable; {_NEW}", ".method"),
            Rule(
                "has(self.input.name) == has(oldSelf.input.name) && "
                "(!has(self.input.name) || self.input.name == oldSelf.input.name)",
                f"input.name is immutable; {_NEW}",
                ".input.name",
            ),
        )
    )

    preset: PresetSpec
    """The model to tune."""

    method: Annotated[str, Field(max_length=8, json_schema_extra=matches(METHOD, "must be lora or qlora"))]
    """`lora` or `qlora`."""

    config: ConfigMapName | None = None
    """ConfigMap in the Workspace's namespace with settings of the job under the key `training_config.yaml`."""

    input: Annotated[DataSource, Field(json_schema_extra=rules(SOURCES))]
    """The data to learn from."""

    output: DataDestination
    """Where the adapter goes."""
