from pathlib import Path

from saymask.rooms.catalogue import catalogue

DOCUMENT = Path(__file__).parents[2] / "docs" / "systems" / "rooms_catalogue.md"


def test_the_document_is_up_to_date() -> None:
    """But for the last column, which needs a furniture library."""

    def columns(text: str) -> list[list[str]]:
        return [line.split("|")[:4] for line in text.splitlines()]

    assert columns(DOCUMENT.read_text(encoding="utf-8")) == columns(catalogue())


def test_nearly_every_class_can_be_met() -> None:
    rows = [line.split(" | ") for line in catalogue().splitlines() if line.startswith("| ")][1:]
    assert len(rows) == 200
    assert sum(row[2] != "0" for row in rows) >= 190
