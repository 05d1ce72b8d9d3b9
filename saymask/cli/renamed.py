"""Words of former versions, which are still understood."""

import sys
from collections.abc import Sequence

TASKS = {"instance": "instances", "interactive": "click"}
"""Tasks that are called by the verb that answers them: former name -> name."""
FLAGS = ("--task", "--train.task")


def renamed(arguments: Sequence[str]) -> list[str]:
    """Return the arguments with the names of today; a note on standard error says what they are."""
    found = list(arguments)
    for i, word in enumerate(found):
        flag, is_one, value = word.partition("=")
        if flag not in FLAGS:
            continue
        if is_one and value in TASKS:
            found[i] = f"{flag}={_noted(value)}"
        elif not is_one and i + 1 < len(found) and found[i + 1] in TASKS:
            found[i + 1] = _noted(found[i + 1])
    return found


def _noted(name: str) -> str:
    print(f"note: task {name} is called {TASKS[name]} now", file=sys.stderr)
    return TASKS[name]
