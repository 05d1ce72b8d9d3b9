"""A text of columns: separator, header line, numbers, empty cells and words, as people and programs export it."""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from saymask.errors import InputError

EMPTY = ("", "na", "n/a", "null", "none", "-", "nan", "<na>")
"""Words for a value that is not there."""
COMMENT = re.compile(r"(#+|//|;;|%)\s*")


@dataclass
class TextTable:
    """The columns of a text file: numbers float64 [n] or words [n], and their names where a header gives them."""

    names: list[str] | None
    columns: list[np.ndarray]
    first: int
    """Line of the first row, from 0."""
    setup: np.ndarray | None = None  # int32 [n]: number of the set-up, where counts divide the file
    messages: list[str] = field(default_factory=list)


def read_table(path: Path, text: str, is_header: Callable[[list[str]], bool]) -> TextTable:
    """Read a text file; `is_header` says whether words are column names.

    Raises InputError that names the line where the number of columns changes or something is not a number.
    """
    lines = text.splitlines()
    names, first, separator = _opening(path, lines, is_header)
    values = _all_numbers(lines, first, separator)
    if values is not None:
        return TextTable(names, list(values.T), first)
    return _mixed(path, lines, names, first, separator)


def _opening(
    path: Path, lines: list[str], is_header: Callable[[list[str]], bool]
) -> tuple[list[str] | None, int, str | None]:
    """Return the columns' names if there is a header, the first line of numbers, the separator (None = blanks)."""
    header: list[str] | None = None
    title = ""
    for i, line in enumerate(lines[:1000]):
        text = line.strip("\ufeff \t\r") if not line.startswith("\t") else line
        if not text.strip():
            continue
        comment = COMMENT.match(text)
        content = text[comment.end() :] if comment else text
        separator = _separator(content)
        words = split(content, separator)
        if comment:
            if is_header(words):
                header = words
            continue
        if len(words) == 1 and words[0].isdigit():
            continue  # PTS and CloudCompare write the number of points first
        if _is_row(words, separator, header):
            return header, i, separator
        if is_header(words):
            header = words
        elif title or header is not None:
            raise InputError(f"{path.name}: line {i + 1}: expected numbers, got {text[:60]!r}")
        else:
            title = text
            if not _followed_by_numbers(lines[i + 1 : i + 20]):
                raise InputError(
                    f"{path.name}: line {i + 1}: expected numbers or column names with x, y, z, got {text[:60]!r}; "
                    "check that this is a point file"
                )
    raise InputError(f"{path.name}: expected lines of numbers x y z, got none in {min(len(lines), 1000)} lines")


def _followed_by_numbers(lines: list[str]) -> bool:
    """Say whether a title is followed by rows, not by something else altogether."""
    rows = [line for line in lines if len(split(line, _separator(line))) >= 3]
    return any(_is_row(split(line, _separator(line)), _separator(line), None) for line in rows[:2])


def _is_row(words: list[str], separator: str | None, header: list[str] | None) -> bool:
    """Say whether words are a row: numbers, with words or empty cells among them where there are enough numbers."""
    known = [is_number(w, separator) for w in words]
    if all(known):
        return len(words) > 1 or header is not None
    empty = [w.lower() in EMPTY for w in words]
    if header is not None and len(words) == len(header):
        return sum(known) >= 3 or (sum(known) >= 2 and all(k or e for k, e in zip(known, empty)))
    return sum(known[:4]) >= 3 and known[0]


def _separator(text: str) -> str | None:
    for candidate in (";", "\t", ","):
        if candidate in text and len([w for w in text.split(candidate) if w.strip()]) >= 2:
            return candidate
    return None


def split(text: str, separator: str | None, width: int = 0) -> list[str]:
    """Split a line into words without quotes; an empty last one counts only where the row is `width` long."""
    if separator is not None and '"' in text:
        words = [m.group(1) if m.group(1) is not None else m.group(2) for m in _quoted(separator).finditer(text)]
        words = [w.strip() for w in words]
    else:
        words = [w.strip().strip('"') for w in text.split(separator)]
    return words[:-1] if words and words[-1] == "" and len(words) != width else words


def _quoted(separator: str) -> re.Pattern[str]:
    mark = re.escape(separator)
    return re.compile(rf'(?:^|(?<={mark}))\s*(?:"([^"]*)"\s*|([^{mark}]*))(?={mark}|$)')


def is_number(word: str, separator: str | None) -> bool:
    """Say whether a word is a number; between semicolons and tabs a comma is a decimal point."""
    try:
        float(_point(word, separator))
    except ValueError:
        return False
    return "_" not in word


def _point(word: str, separator: str | None) -> str:
    return word.replace(",", ".") if separator in (";", "\t") else word


def _all_numbers(lines: list[str], first: int, separator: str | None) -> np.ndarray | None:
    """Parse all lines from `first` on where each holds the same number of numbers, float64 [n, width], else None.

    The slow way finds the line that is to blame, the words, the empty cells, or the comments to pass over.
    """
    rows = lines[first:]
    if separator in (";", "\t"):
        rows = [line.replace(",", ".") for line in rows]
    try:
        return np.loadtxt(rows, np.float64, comments=None, delimiter=separator, ndmin=2)
    except ValueError:
        return None


def _mixed(path: Path, lines: list[str], names: list[str] | None, first: int, separator: str | None) -> TextTable:
    """Read rows one by one: empty cells become NaN, columns of words stay words, counts divide set-ups."""
    width = len(names) if names is not None else len(split(lines[first], separator))
    rows: list[list[str]] = []
    where: list[int] = []
    setups: list[int] = []
    setup = 0
    for i, line in enumerate(lines[first:], first):
        text = line.strip() if separator != "\t" else line.rstrip("\r\n")
        if not text.strip() or text.lstrip().startswith(("#", "//", "%")):
            continue
        words = split(text, separator, width)
        if len(words) == 1 and width > 1 and words[0].isdigit():
            setup += 1  # the number of points of the next set-up
            continue
        if len(words) != width:
            if names is not None and not rows:
                raise InputError(
                    f"{path.name}: line {i + 1}: expected {width} columns as the header names them, got {len(words)}; "
                    "make header and rows agree"
                )
            raise InputError(
                f"{path.name}: line {i + 1}: expected {width} columns like the lines before, got {len(words)}; "
                "correct or remove the line"
            )
        rows.append(words)
        where.append(i)
        setups.append(setup)
    columns = [_column(path, k, [row[k] for row in rows], where, separator) for k in range(width)]
    return TextTable(names, columns, first, np.array(setups, np.int32) if setup else None)


def _column(path: Path, k: int, words: list[str], where: list[int], separator: str | None) -> np.ndarray:
    """Return a column as numbers, or as words where most of it is; a word among numbers is an error."""
    values = np.full(len(words), np.nan)
    strange: list[int] = []
    filled = 0
    for i, word in enumerate(words):
        if word.lower() in EMPTY:
            continue
        filled += 1
        try:
            values[i] = float(_point(word, separator))
        except ValueError:
            strange.append(i)
    if not strange:
        return values
    if (k < 3 and len(strange) < filled) or len(strange) < 0.5 * filled:
        bad = words[strange[0]]
        raise InputError(
            f"{path.name}: line {where[strange[0]] + 1}: expected numbers, got {bad[:40]!r}; correct or remove the line"
        )
    return np.array(words, np.str_)
