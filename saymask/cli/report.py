"""Answers as rows of numbers, for `--json`, and as lines and tables for people."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from saymask.masks import Masks

Row = dict[str, Any]


def rows_of(masks: "Masks") -> list[Row]:
    """Return a row per mask: name, class id where there is one, score, points, box in metres."""
    return [_row(masks, i) for i in range(len(masks))]


def _row(masks: "Masks", i: int) -> Row:
    low, high = masks.box(i)
    row: Row = {"name": masks.names[i]}
    if masks.labels is not None:
        row["label"] = int(masks.labels[i])
    return row | {
        "score": round(float(masks.scores[i]), 4),
        "points": int(masks.original(i).sum()),
        "box_min": [round(float(v), 3) for v in low],
        "box_max": [round(float(v), 3) for v in high],
    }


def line(i: int, row: Row, word: str = "") -> str:
    """Return the line of mask i, with the word that it is for."""
    name = f"{word}  " if word else ""
    return f"mask {i}  {name}score {row['score']:.2f}  {row['points']:,} points  box {_box(row)}"


def _box(row: Row) -> str:
    low, high = ("({:.2f}, {:.2f}, {:.2f})".format(*row[key]) for key in ("box_min", "box_max"))
    return f"{low} to {high} m"


def cells(i: int, row: Row) -> tuple[str, ...]:
    """Return the cells of mask i in a table of objects."""
    return str(i), row["name"], f"{row['score']:.2f}", f"{row['points']:,}", _box(row)


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """Yield the lines of a table, none for no rows: names and boxes flush left, numbers flush right."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    shown = Table(box=None, pad_edge=False)
    for title in header:
        shown.add_column(title, justify="left" if title in ("class", "box") else "right", no_wrap=True)
    for row in rows:
        shown.add_row(*map(Text, row))  # names may hold what rich would take for its markup
    console = Console(width=10_000)  # a line is never broken, whatever reads it
    with console.capture() as text:
        console.print(shown)
    yield from (each.rstrip() for each in text.get().splitlines() if rows)
