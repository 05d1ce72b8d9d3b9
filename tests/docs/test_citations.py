"""Every citation (§) names a heading that exists, and every relative link of the documents leads somewhere."""

import re
import unicodedata
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from urllib.parse import unquote

import pytest

ROOT = Path(__file__).parents[2]
SYSTEMS = ROOT / "docs" / "systems"
FOLDERS = ("saymask", "tests", "benchmarks", "examples", "docs", ".github")
SUFFIXES = (".py", ".md", ".toml", ".yml", ".yaml", ".txt", ".cff")
HERE = Path(__file__).resolve()

NUMBER = r"(?:[A-Z]\.?)?\d+(?:\.\d+)*[a-z]?"
GAP = r"(?:[ \t]+|[ \t]*\n[ \t]*(?:#[ \t]+)?)"  # a citation may go on in the next line, of a comment too
CITATION = re.compile(rf"docs/systems/(\w+)\.md{GAP}§({NUMBER}(?:(?:,|{GAP}and){GAP}§{NUMBER})*)")
LINK = re.compile(r"\[([^\[\]]*)\]\(\s*<?([^()<>\s]*)>?(?:\s+\"[^\"]*\")?\s*\)")
FENCE = re.compile(r"^(```|~~~).*?^\1[ \t]*$", re.MULTILINE | re.DOTALL)
OLD = re.compile(  # the forms that had no file: "specification of LESS", "LESS B.1", "(Q20)"
    r"\b[Ss]pec(?:ification)?s? of (?:LESS|BQNet|CFNet|LGround|UniSeg3D|Rooms)\b"
    r"|\b(?:LESS|BQNet|CFNet|LGround|UniSeg3D) (?:[AB]\.\d|\d\.\d)"
    r"|[( ]Q\d+\)|\bDESIGN §"
)
CODE = re.compile(r"(`+)(?!`).+?(?<!`)\1(?!`)", re.DOTALL)

pytestmark = pytest.mark.skipif(not SYSTEMS.is_dir(), reason="the documents are not part of a source distribution")


def texts() -> list[Path]:
    """Return the text files in which citations may stand; this file talks about them and is left out."""
    inside = [p for folder in FOLDERS for p in (ROOT / folder).rglob("*") if p.suffix in SUFFIXES]
    top = [p for p in ROOT.iterdir() if p.is_file() and (p.suffix in SUFFIXES or p.name == "Makefile")]
    return sorted(p for p in {*inside, *top} if p.resolve() != HERE)


def documents() -> list[Path]:
    """Return the Markdown files whose links are followed."""
    top = [ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "THIRD_PARTY.md", "SECURITY.md")]
    return [p for p in top if p.is_file()] + sorted((ROOT / "docs").rglob("*.md"))


def slug(heading: str) -> str:
    """Return the anchor that GitHub gives a heading: letters, digits, `_` and `-` in lower case, blanks as `-`."""
    shown = LINK.sub(r"\1", heading.strip()).replace("`", "").replace("**", "")
    kept = (c for c in shown.lower() if c in " -" or unicodedata.category(c) in ("Nd", "Pc") or _is_letter(c))
    return "".join(kept).replace(" ", "-")


def _is_letter(character: str) -> bool:
    return unicodedata.category(character)[0] in "LM"


def headings(text: str) -> list[str]:
    """Return the headings of a Markdown text, without their `#`; fenced code has none."""
    return re.findall(r"^#{1,6}[ \t]+(.+?)[ \t]*#*$", _blank(FENCE, text), re.MULTILINE)


def anchors(text: str) -> list[str]:
    """Return the anchors of a Markdown text; of equal ones the later ones are numbered."""
    found: list[str] = []
    for heading in headings(text):
        name = plain = slug(heading)
        count = 0
        while name in found:
            count += 1
            name = f"{plain}-{count}"
        found.append(name)
    return found


def numbers(text: str) -> list[str]:
    """Return the numbers that headings start with."""
    return [m[1] for h in headings(text) if (m := re.match(rf"({NUMBER})[ \t]", h))]


def _blank(pattern: re.Pattern[str], text: str) -> str:
    """Return the text with what matches made blank; positions and lines stay."""
    return pattern.sub(lambda m: re.sub(r"\S", " ", m[0]), text)


@cache
def _read(path: Path) -> str:
    return path.read_text(encoding="utf-8")


@cache
def _anchors(path: Path) -> list[str]:
    return anchors(_read(path))


@cache
def _numbers(path: Path) -> list[str]:
    return numbers(_read(path))


def broken_citations(path: Path, text: str) -> Iterator[str]:
    """Yield what is wrong with the citations of a file: no such document or section, or a § of another form."""
    good: set[int] = set()
    for match in CITATION.finditer(text):
        good |= {match.start(2) - 1 + i for i, c in enumerate(text[match.start(2) - 1 : match.end()]) if c == "§"}
        page = SYSTEMS / f"{match[1]}.md"
        if not page.is_file():
            yield f"{_place(path, text, match.start())}: no document docs/systems/{match[1]}.md"
            continue
        for number in re.findall(rf"({NUMBER})(?=\W|$)", match[2]):
            if number not in _numbers(page):
                yield f"{_place(path, text, match.start())}: {page.name} has no heading {number}"
        if re.match(rf"(?:,|{GAP}and){GAP}\d+\.\d|[-–]\s*§?\d", text[match.end() :]):
            yield f"{_place(path, text, match.start())}: further numbers need a § of their own"
    if path.suffix == ".md":
        for match in LINK.finditer(text):
            for inner in re.finditer(rf"§({NUMBER})?", match[1]):
                good.add(match.start(1) + inner.start())
                heading = _heading_of(path, match[2])
                if inner[1] is None or heading is None or not re.match(rf"{re.escape(inner[1])}\s", heading):
                    yield f"{_place(path, text, match.start())}: {match[0]} leads to {heading!r}"
    for match in re.finditer("§", text):
        if match.start() not in good:
            found = text[max(0, match.start() - 30) : match.end() + 12].replace("\n", " ")
            yield f"{_place(path, text, match.start())}: expected `docs/systems/NAME.md §NUMBER`, got …{found}…"


def _heading_of(path: Path, target: str) -> str | None:
    """Return the heading that a relative link leads to."""
    name, _, anchor = unquote(target).partition("#")
    page = path if not name else (path.parent / name).resolve()
    if not page.is_file() or anchor not in _anchors(page):
        return None
    return headings(_read(page))[_anchors(page).index(anchor)]


def broken_links(path: Path, text: str) -> Iterator[str]:
    """Yield the relative links of a Markdown file whose file or anchor does not exist."""
    for match in LINK.finditer(_blank(CODE, _blank(FENCE, text))):
        target = unquote(match[2])
        if re.match(r"[a-z][a-z0-9+.-]*:", target) or target.startswith("//"):
            continue
        name, _, anchor = target.partition("#")
        page = path if not name else (path.parent / name).resolve()
        if not page.exists():
            yield f"{_place(path, text, match.start())}: {match[2]}: no such file"
        elif anchor and (page.suffix != ".md" or anchor not in _anchors(page)):
            yield f"{_place(path, text, match.start())}: {match[2]}: no such heading"


def _place(path: Path, text: str, position: int) -> str:
    where = path.relative_to(ROOT) if path.is_relative_to(ROOT) else path.name
    return f"{where}:{text.count(chr(10), 0, position) + 1}"


def test_every_citation_names_a_heading_that_exists():
    problems = [p for path in texts() for p in broken_citations(path, _read(path))]
    assert not problems, "\n".join(problems)


def test_no_citation_is_without_a_file():
    problems = [_place(p, _read(p), m.start()) + f": {m[0]}" for p in texts() for m in OLD.finditer(_read(p))]
    assert not problems, "\n".join(problems)


def test_citations_are_found_in_code_and_documents():
    counted = {path.suffix: 0 for path in texts()}
    for path in texts():
        counted[path.suffix] += _read(path).count("§")
    assert counted[".py"] > 100
    assert counted[".md"] > 100


def test_every_relative_link_leads_somewhere():
    problems = [p for path in documents() for p in broken_links(path, _read(path))]
    assert not problems, "\n".join(problems)


@pytest.mark.parametrize("page", sorted(SYSTEMS.glob("*.md")), ids=lambda page: page.stem)
def test_section_numbers_are_unique(page):
    found = _numbers(page)
    assert sorted(found) == sorted(set(found))


def test_paths_that_the_pages_name_exist():
    named = {
        path
        for page in SYSTEMS.glob("*.md")
        for path in re.findall(r"`((?:saymask|tests|benchmarks)/[\w/.]+)`", _read(page))
    }
    assert len(named) > 5
    assert not [path for path in sorted(named) if not (ROOT / path).exists()]


def test_the_index_names_every_page():
    linked = {match[2] for match in LINK.finditer(_read(SYSTEMS / "README.md"))}
    assert {p.name for p in SYSTEMS.glob("*.md")} - {"README.md"} <= linked


@pytest.mark.parametrize(
    "text",
    [
        "docs/systems/bqnet.md §2.4",
        "(docs/systems/less.md §B.1, docs/systems/bqnet.md §8.1)",
        "docs/systems/uniseg3d.md §2.6, §2.7b and §Q20.",
        "Source:\n    docs/systems/bqnet.md §3.3, §3.4 and\n    §3.6 (released code)",
        "# as docs/systems/less.md\n# §A.3 says",
        "docs/systems/bqnet.md §2.4c, step 7",
    ],
)
def test_good_citations(text):
    assert not list(broken_citations(ROOT / "saymask/x.py", text))


@pytest.mark.parametrize(
    "text",
    [
        "(§2.4)",
        "BQNet §2.4",
        "less.md §2.4",
        "docs/systems/nothing.md §1",
        "docs/systems/bqnet.md §99",
        "docs/systems/bqnet.md §2.4, §99",
        "docs/systems/bqnet.md §2.4 and §99",
        "docs/systems/bqnet.md §2.40",
        "docs/systems/bqnet.md §2.4z",
        "docs/systems/bqnet.md §",
        "docs/systems/bqnet.md §2.4, 2.5",
        "docs/systems/bqnet.md §2.4-2.5",
        "docs/systems/bqnet.md §2.4 and 2.5",
        "docs/systems/bqnet.md §2.4; §2.5",
        "arXiv 2410.13294, §3",
    ],
)
def test_bad_citations(text):
    assert list(broken_citations(ROOT / "saymask/x.py", text))


def test_a_citation_in_a_document_may_be_a_link():
    page = SYSTEMS / "x.md"
    assert not list(broken_citations(page, "see [§A.4](less.md#a4-the-111-convolution) and [LESS](less.md)"))
    for text in (
        "[§A.5](less.md#a4-the-111-convolution)",
        "[§A.4](less.md)",
        "[§A.4](none.md#a4-the-111-convolution)",
        "[§](less.md#a4-the-111-convolution)",
    ):
        assert list(broken_citations(page, text)), text
        assert list(broken_citations(ROOT / "saymask/x.py", text)), text


def test_links():
    page = ROOT / "docs" / "x.md"
    good = "[a](systems/less.md) ![b](../README.md) [c](https://x.org/#y) [d](systems/less.md#a4-the-111-convolution)"
    assert list(broken_links(page, good)) == []
    assert list(broken_links(page, "`[a](none.md)`\n```\n[b](none.md)\n```\n")) == []
    for text in ("[a](none.md)", "![a](none.png)", "[a](systems/less.md#none)", "[a](../pyproject.toml#x)"):
        assert len(list(broken_links(page, text))) == 1, text
    assert list(broken_links(page, "\n\n[a](none.md)")) == ["docs/x.md:3: none.md: no such file"]


@pytest.mark.parametrize(
    ("heading", "anchor"),
    [
        ("2.4 Scene graph", "24-scene-graph"),
        ("A.4 The 1×1×1 convolution", "a4-the-111-convolution"),
        ("Q20 Label of an instance", "q20-label-of-an-instance"),
        ("`refer`, *any* of [two](x.md)", "refer-any-of-two"),
        ("Units, up_axis – and more", "units-up_axis--and-more"),
    ],
)
def test_slugs_are_those_of_github(heading, anchor):
    assert slug(heading) == anchor


def test_anchors_and_numbers():
    text = "# Top\n## 1 One\n```\n# no heading\n```\n## 1.2b Two ##\nbody # no\n## Same\n## Same\n## 12\n"
    assert anchors(text) == ["top", "1-one", "12b-two", "same", "same-1", "12"]
    assert numbers(text) == ["1", "1.2b"]
