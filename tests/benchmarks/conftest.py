import pytest

from benchmarks import scheduler
from benchmarks.scheduler import Outcome, Task


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[Task]:
    """The tasks that are given to the scheduler, which says that all are done."""
    given: list[Task] = []

    def run_tasks(tasks: list[Task], jobs: int) -> dict[str, Outcome]:
        given.extend(tasks)
        return {task.name: Outcome("done") for task in tasks}

    monkeypatch.setattr(scheduler, "run_tasks", run_tasks)
    return given
