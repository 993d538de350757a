"""Reconcilers and what runs them."""

from kaito.core.controller.controller import Controller, Reconciler, Surroundings
from kaito.core.controller.metrics import ControllerMetricFamilies
from kaito.core.controller.outcome import DONE, Outcome, Result, outcome_of
from kaito.core.controller.predicates import (
    all_of,
    annotations_changed,
    any_of,
    deletion_began,
    generation_changed,
    labels_changed,
)

__all__ = [
    "DONE",
    "Controller",
    "ControllerMetricFamilies",
    "Outcome",
    "Reconciler",
    "Result",
    "Surroundings",
    "all_of",
    "annotations_changed",
    "any_of",
    "deletion_began",
    "generation_changed",
    "labels_changed",
    "outcome_of",
]
