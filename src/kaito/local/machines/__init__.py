"""The machine room of the local cloud: boots a node per instance file, and takes it down again."""

from kaito.local.machines.room import MachineRoom, MachineRoomSettings

__all__ = ["MachineRoom", "MachineRoomSettings"]
