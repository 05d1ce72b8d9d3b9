"""The table of tasks: all that a model can be measured on, by the verb that it must answer."""

from collections.abc import Mapping

from saymask.evaluation.request import ALL, Request
from saymask.evaluation.tasks.click import CLICK, at_distances
from saymask.evaluation.tasks.find import FIND
from saymask.evaluation.tasks.find_by_frames import by_frames
from saymask.evaluation.tasks.instances import INSTANCES
from saymask.evaluation.tasks.panoptic import PANOPTIC
from saymask.evaluation.tasks.refer import REFER
from saymask.evaluation.tasks.semantic import SEMANTIC
from saymask.evaluation.tasks.task import Task

TASKS: Mapping[str, Task] = {t.name: t for t in (REFER, SEMANTIC, INSTANCES, PANOPTIC, CLICK, FIND)}
NAMES = (*TASKS, ALL)
"""Names that may be asked for."""


def tasks_of(request: Request) -> Mapping[str, Task]:
    """Return the tasks as a request wants them."""
    tasks = dict(TASKS)
    if request.click_distances:
        tasks[CLICK.name] = at_distances(CLICK)
    if request.frames is not None:
        tasks[FIND.name] = by_frames(FIND, request)
    return tasks
