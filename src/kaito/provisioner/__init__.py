"""Machines become nodes: the life cycle of Karpenter, on any cloud."""

from kaito.provisioner.controller import machine_controller
from kaito.provisioner.limits import Limits
from kaito.provisioner.options import ProvisionerOptions, make_cloud
from kaito.provisioner.reconciler import MachineReconciler

__all__ = ["Limits", "MachineReconciler", "ProvisionerOptions", "machine_controller", "make_cloud"]
