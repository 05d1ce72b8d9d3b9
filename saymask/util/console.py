"""The console that tables are printed on."""

import os
import sys
from collections.abc import Sequence
from typing import Any

USUAL = 110
"""Characters of a line where nobody says how wide it is: in a pipe or a file."""


def table_console(*, stderr: bool = False, width: int = USUAL) -> Any:
    """Return a rich console: as wide as the terminal or COLUMNS says, else `width` characters."""
    from rich.console import Console

    known = (sys.stderr if stderr else sys.stdout).isatty() or os.environ.get("COLUMNS", "").isdecimal()
    return Console(stderr=stderr, width=None if known else width, highlight=False, markup=False)


def plain_table(*columns: Any, **options: Any) -> Any:
    """Return a rich table without a frame, for `columns`: titles of texts, or columns."""
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    form: dict[str, Any] = {"box": SIMPLE_HEAD, "pad_edge": False, "show_edge": False, "collapse_padding": True}
    return Table(*columns, title_justify="left", **form, **options)


def print_entry(console: Any, name: str, aside: str, lines: Sequence[str]) -> None:
    """Print an entry of a list: its name, a word flush right, and lines below it, broken where the console ends."""
    from rich.padding import Padding

    console.print(f"{name}{aside.rjust(min(console.width, USUAL) - len(name))}".rstrip(), style="bold")
    for line in filter(None, lines):
        console.print(Padding(line, (0, 0, 0, 2), expand=False))
