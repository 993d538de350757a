"""The cloud of a laptop: machines are files that the machine room of `kaito up` turns into nodes."""

from kaito.provisioner.clouds.local.cloud import LocalCloud
from kaito.provisioner.clouds.local.instance import PROVIDER_ID_PREFIX, InstanceFiles, LocalInstance
from kaito.provisioner.clouds.local.settings import LocalCloudSettings, read_settings, settings_path

__all__ = [
    "PROVIDER_ID_PREFIX",
    "InstanceFiles",
    "LocalCloud",
    "LocalCloudSettings",
    "LocalInstance",
    "read_settings",
    "settings_path",
]
