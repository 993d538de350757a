"""Reconcilers and what runs them."""

from kaito.core.controller.channel import Channel, ChannelSource
from kaito.core.controller.controller import Controller, MakeQueue
from kaito.core.controller.expectations import Expectations
from kaito.core.controller.handlers import Mapping, by_type, from_object, itself, owners_of
from kaito.core.controller.metrics import ControllerMetricFamilies
from kaito.core.controller.outcome import DONE, Outcome, Result, outcome_of
from kaito.core.controller.predicates import (
    Predicate,
    all_of,
    annotations_changed,
    any_of,
    deletion_began,
    generation_changed,
    keep,
    labels_changed,
    not_,
    object_is,
    resource_version_changed,
    selected_by,
)
from kaito.core.controller.run import reconcile_id
from kaito.core.controller.sources import FuncSource, KindSource, Source, Started
from kaito.core.controller.surroundings import Surroundings
from kaito.core.controller.workers import Reconciler

__all__ = [
    "DONE",
    "Channel",
    "ChannelSource",
    "Controller",
    "ControllerMetricFamilies",
    "Expectations",
    "FuncSource",
    "KindSource",
    "MakeQueue",
    "Mapping",
    "Outcome",
    "Predicate",
    "Reconciler",
    "Result",
    "Source",
    "Started",
    "Surroundings",
    "all_of",
    "annotations_changed",
    "any_of",
    "by_type",
    "deletion_began",
    "from_object",
    "generation_changed",
    "itself",
    "keep",
    "labels_changed",
    "not_",
    "object_is",
    "outcome_of",
    "owners_of",
    "reconcile_id",
    "resource_version_changed",
    "selected_by",
]
