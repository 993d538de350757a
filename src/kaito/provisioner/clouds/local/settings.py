"""`cloud.yaml`: what the local cloud can be told, so that every answer of a cloud can be seen without one."""

from pathlib import Path
from typing import Annotated

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from kaito.provisioner.clouds.cloud import InvalidConfigurationError


class LocalCloudSettings(BaseModel):
    """All fields are optional. SKU names match in any case."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    boot_seconds: Annotated[float, Field(ge=0)] = 1.0
    """From the instance's creation until its node starts, in seconds."""
    launch_seconds: Annotated[float, Field(ge=0)] = 0.2
    """How long a create call takes, in seconds."""
    quota: dict[str, Annotated[int, Field(ge=0)]] = {}
    """Most instances of a SKU at a time; a SKU that is not named has no limit."""
    out_of_capacity: tuple[str, ...] = ()
    """SKUs that are sold out for the time being."""
    unavailable: tuple[str, ...] = ()
    """SKUs that this cloud does not sell."""

    def quota_of(self, sku: str) -> int | None:
        """Return the quota of a SKU; None when there is no limit."""
        return next((limit for name, limit in self.quota.items() if name.casefold() == sku.casefold()), None)


def settings_path(cloud_directory: Path) -> Path:
    """Return where the settings of a local cloud are kept."""
    return cloud_directory / "cloud.yaml"


def read_settings(cloud_directory: Path) -> LocalCloudSettings:
    """Read `cloud.yaml`; the defaults when there is none. InvalidConfigurationError names the file and the field."""
    path = settings_path(cloud_directory)
    try:
        content = yaml.safe_load(path.read_text())
    except FileNotFoundError:
        return LocalCloudSettings()
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise _invalid(path, str(error).replace("\n", " ")) from error
    try:
        return LocalCloudSettings.model_validate(content or {})
    except ValidationError as error:
        fields = "; ".join(f"{'.'.join(map(str, one['loc'])) or 'it'}: {one['msg']}" for one in error.errors())
        raise _invalid(path, fields) from error


def _invalid(path: Path, what: str) -> InvalidConfigurationError:
    return InvalidConfigurationError(
        f"The local cloud's settings {path} cannot be used ({what})",
        remedy="Correct the file, or write the defaults with `kaito cloud reset`.",
    )
