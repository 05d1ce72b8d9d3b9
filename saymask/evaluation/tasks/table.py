"""The table of tasks: all that a model can be measured on, by name."""

from collections.abc import Mapping

from saymask.evaluation.request import ALL, Request
from saymask.evaluation.tasks.click import INTERACTIVE, at_distances
from saymask.evaluation.tasks.find import FIND
from saymask.evaluation.tasks.instance import INSTANCE
from saymask.evaluation.tasks.panoptic import PANOPTIC
from saymask.evaluation.tasks.refer import REFER
from saymask.evaluation.tasks.semantic import SEMANTIC
from saymask.evaluation.tasks.task import Task

TASKS: Mapping[str, Task] = {t.name: t for t in (REFER, SEMANTIC, INSTANCE, PANOPTIC, INTERACTIVE, FIND)}
NAMES = (*TASKS, ALL)
"""Names that may be asked for."""
VERBS = {task.name: task.verb for task in TASKS.values()}
"""Verb that a model must answer to be measured on a task."""


def tasks_of(request: Request) -> Mapping[str, Task]:
    """Return the tasks as a request wants them."""
    return {**TASKS, INTERACTIVE.name: at_distances(INTERACTIVE)} if request.click_distances else TASKS
