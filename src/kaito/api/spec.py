"""What a user asks for in a Workspace: `resource`, `inference`, `tuning`. Fields are KAITO's own.

Rules that the API server can check stand beside the fields they are about; they hold without any webhook.
"""

from typing import Annotated, Literal

from pydantic import ConfigDict, Field

from kaito.api.fields import Name, Rule, Schemaless, rules
from kaito.api.meta import LabelSelector, Model

SecretNames = Annotated[tuple[Name, ...], Field(max_length=16)]
Reference = Annotated[str, Field(max_length=512)]
"""An image reference."""


def _same(field: str) -> str:
    """Return the CEL of "an optional field is as it was: absent before and now, or equal"."""
    return f"has(self.{field}) == has(oldSelf.{field}) && (!has(self.{field}) || self.{field} == oldSelf.{field})"


def _exactly_one(*fields: str) -> str:
    """Return the CEL of "exactly one of these fields is set"."""
    return " + ".join(f"(has(self.{field}) ? 1 : 0)" for field in fields) + " == 1"


class SpecModel(Model):
    """A part of the spec; its attribute docstrings become the descriptions that `kubectl explain` prints."""

    model_config = ConfigDict(use_attribute_docstrings=True)


class Partition(SpecModel):
    """A part of a node's GPUs; only with nodes that are there already."""

    mode: Literal["mig", "accelerator"]
    """`mig` takes slices of a GPU, `accelerator` takes whole GPUs."""

    profile: Annotated[str, Field(max_length=32)] | None = None
    """MIG profile, for example `2g.24gb`."""

    count: Annotated[int, Field(ge=1, le=64)] | None = None
    """Whole GPUs, in mode `accelerator`."""


class ResourceSpec(SpecModel):
    """The nodes: which size, and the labels they carry."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            Rule(
                "!has(oldSelf.instanceType) || !has(self.instanceType) || self.instanceType == oldSelf.instanceType",
                "instanceType is immutable; make a new Workspace to change it",
                ".instanceType",
            ),
            Rule(
                "!has(oldSelf.count) || !has(self.count) || self.count == oldSelf.count",
                "count is immutable; make a new Workspace to change it",
                ".count",
            ),
            Rule(_same("partition"), "partition is immutable; make a new Workspace to change it"),
        )
    )

    count: Annotated[int, Field(ge=0, le=1000)] = 1
    """Number of nodes where no preset says how many it needs."""

    instance_type: Annotated[str, Field(max_length=63)] = "Standard_NC24ads_A100_v4"
    """Machine size of each node, as the cloud calls it."""

    label_selector: Annotated[
        LabelSelector,
        Field(
            json_schema_extra={
                "x-kubernetes-map-type": "atomic",
                **rules(Rule("self == oldSelf", "labelSelector is immutable; make a new Workspace to change it")),
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

    image: Reference | None = None
    """Image with the model's files."""

    image_pull_secrets: SecretNames = ()
    """Secrets for that image, in the Workspace's namespace."""

    model_access_secret: Name | None = None
    """Secret in the Workspace's namespace with a Hugging Face token under the key `HF_TOKEN`."""


class PresetSpec(SpecModel):
    """A model that kaito knows how to run."""

    name: Annotated[str, Field(min_length=1, max_length=128)]
    """Name in the preset registry, whatever the case."""

    access_mode: Literal["public", "private"] = "public"
    """Deprecated, without effect."""

    preset_options: PresetOptions | None = None
    """How the preset's files are reached."""


class DataSource(SpecModel):
    """Where data comes from."""

    name: Name | None = None
    """What it is called; for an adapter also its model name."""

    urls: Annotated[tuple[Annotated[str, Field(max_length=2048)], ...], Field(max_length=64)] | None = None
    """Files to download."""

    volume_source: Schemaless | None = None
    """A volume that holds it (`core/v1.VolumeSource`)."""

    image: Reference | None = None
    """An image that holds it under `/data`."""

    image_pull_secrets: SecretNames = ()
    """Secrets for that image, in the Workspace's namespace."""


class DataDestination(SpecModel):
    """Where the tuned adapter goes."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            Rule(_exactly_one("image", "volumeSource"), "exactly one of image and volumeSource must be set"),
            Rule("!has(self.image) || has(self.imagePushSecret)", "image needs imagePushSecret", ".imagePushSecret"),
        )
    )

    volume_source: Schemaless | None = None
    """A volume to write to (`core/v1.VolumeSource`)."""

    image: Reference | None = None
    """Image to push."""

    image_push_secret: Name | None = None
    """Secret for pushing, in the Workspace's namespace."""


class AdapterSpec(SpecModel):
    """A LoRA adapter of the model."""

    source: Annotated[
        DataSource,
        Field(
            json_schema_extra=rules(
                Rule("has(self.name) && size(self.name) > 0", "an adapter needs a name", ".name"),
                Rule(
                    _exactly_one("urls", "image", "volumeSource"),
                    "exactly one of urls, image and volumeSource must be set",
                ),
            )
        ),
    ]
    """Where the adapter comes from, and its name."""

    strength: Annotated[str, Field(max_length=16, pattern=r"^(0|1|0?\.[0-9]+|1\.0+)$")] | None = None
    """Factor from 0 to 1 on the adapter's effect, for example `"0.5"`."""


class InferenceSpec(SpecModel):
    """The model to serve."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            Rule("has(self.preset) != has(self.template)", "exactly one of preset and template must be set"),
            Rule(_same("preset"), "preset is immutable; make a new Workspace to change it"),
        )
    )

    preset: PresetSpec | None = None
    """A model that kaito knows how to run."""

    template: Schemaless | None = None
    """Your own pod (`core/v1.PodTemplateSpec`)."""

    config: Name | None = None
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
            Rule("self.preset == oldSelf.preset", "preset is immutable; make a new Workspace to change it", ".preset"),
            Rule("self.method == oldSelf.method", "method is immutable; make a new Workspace to change it", ".method"),
            Rule(
                "has(self.input.name) == has(oldSelf.input.name) && "
                "(!has(self.input.name) || self.input.name == oldSelf.input.name)",
                "input.name is immutable; make a new Workspace to change it",
            ),
        )
    )

    preset: PresetSpec
    """The model to tune."""

    method: Annotated[str, Field(max_length=8, pattern=r"^[Qq]?[Ll][Oo][Rr][Aa]$")]
    """`lora` or `qlora`."""

    config: Name | None = None
    """ConfigMap in the Workspace's namespace with settings of the job under the key `training_config.yaml`."""

    input: Annotated[
        DataSource,
        Field(
            json_schema_extra=rules(
                Rule(
                    _exactly_one("urls", "image", "volumeSource"),
                    "exactly one of urls, image and volumeSource must be set",
                )
            )
        ),
    ]
    """The data to learn from."""

    output: DataDestination
    """Where the adapter goes."""
