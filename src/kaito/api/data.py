"""Where data and adapters come from, and where they go."""

from typing import Annotated

from pydantic import ConfigDict, Field

from kaito.api.fields import Name, Rule, rules
from kaito.api.formats import OBJECT_NAME, Image, SecretName, Url, matches
from kaito.api.meta import SpecModel
from kaito.api.volume import Volume
from kaito.contracts import LONGEST_STRENGTH, STRENGTH

SecretNames = Annotated[tuple[SecretName, ...], Field(max_length=16)]


def exactly_one(*fields: str) -> str:
    """Return the CEL of "exactly one of these fields is set"."""
    return " + ".join(f"(has(self.{field}) ? 1 : 0)" for field in fields) + " == 1"


SOURCES = Rule(exactly_one("urls", "image", "volumeSource"), "exactly one of urls, image and volumeSource must be set")


class DataSource(SpecModel):
    """Where data comes from."""

    name: Name | None = None
    """What it is called; for an adapter also its model name."""

    urls: Annotated[tuple[Url, ...], Field(min_length=1, max_length=64)] | None = None
    """Files to download."""

    volume_source: Volume | None = None
    """A volume that holds it (`core/v1.VolumeSource`)."""

    image: Image | None = None
    """An image that holds it under `/data`."""

    image_pull_secrets: SecretNames = ()
    """Secrets for that image, in the Workspace's namespace."""


class DataDestination(SpecModel):
    """Where the tuned adapter goes."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            Rule(exactly_one("image", "volumeSource"), "exactly one of image and volumeSource must be set"),
            Rule("!has(self.image) || has(self.imagePushSecret)", "image needs imagePushSecret", ".imagePushSecret"),
        )
    )

    volume_source: Volume | None = None
    """A volume to write to (`core/v1.VolumeSource`)."""

    image: Image | None = None
    """Image to push."""

    image_push_secret: SecretName | None = None
    """Secret for pushing, in the Workspace's namespace."""


class AdapterSpec(SpecModel):
    """A LoRA adapter of the model."""

    source: Annotated[
        DataSource,
        Field(
            json_schema_extra=rules(
                Rule("has(self.name) && size(self.name) > 0", "an adapter needs a name", ".name"),
                Rule(
                    f"!has(self.name) || size(self.name) == 0 || self.name.matches('{OBJECT_NAME}')",
                    "must be lower-case letters, digits, '-' and '.', a letter or digit at both ends: it is the "
                    "adapter's model name",
                    ".name",
                ),
                SOURCES,
            )
        ),
    ]
    """Where the adapter comes from, and its name."""

    strength: (
        Annotated[
            str,
            Field(
                max_length=LONGEST_STRENGTH,
                json_schema_extra=matches(STRENGTH, 'must be a number from 0 to 1 as text, as "0.5"'),
            ),
        ]
        | None
    ) = None
    """Factor from 0 to 1 on the adapter's effect, for example `"0.5"`."""
