"""What a provisioner process is started with."""

from dataclasses import dataclass, field
from pathlib import Path

from kaito.core import Client
from kaito.core.clock import Clock
from kaito.core.errors import KaitoError
from kaito.provisioner.clouds import Cloud
from kaito.provisioner.clouds.kwok import KwokCloud
from kaito.provisioner.clouds.local import LocalCloud
from kaito.provisioner.limits import Limits


@dataclass(frozen=True)
class ProvisionerOptions:
    """Which cloud to buy from, and the limits. `cloud_dir` is the folder of the local cloud."""

    cloud: str = "local"
    cloud_dir: Path | None = None
    limits: Limits = field(default_factory=Limits)


def make_cloud(options: ProvisionerOptions, clock: Clock, client: Client) -> Cloud:
    """Return the cloud of this name. KaitoError UnknownCloud lists the ones there are."""
    if options.cloud == "kwok":
        return KwokCloud(client, clock)
    if options.cloud != "local":
        raise KaitoError(
            "UnknownCloud",
            f"--cloud {options.cloud} is not a cloud of this provisioner.",
            terminal=True,
            remedy="The clouds are: local, kwok.",
        )
    if options.cloud_dir is None:
        raise KaitoError(
            "CloudFolderMissing",
            "--cloud local has no folder to keep its machines in.",
            terminal=True,
            remedy="Give one with --cloud-dir.",
        )
    return LocalCloud(options.cloud_dir, clock)
