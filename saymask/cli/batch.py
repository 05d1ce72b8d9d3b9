"""The same prompts to many scans: one model, a result per scan, nothing done twice, a bad file stops nothing."""

import json
import sys
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from saymask.cli.asker import Asker, answer_of, report_of, rounded
from saymask.cli.options import PromptOptions
from saymask.cli.report import Row, line, rows_of
from saymask.cli.sources import Sources
from saymask.cli.stages import Stages
from saymask.errors import InputError
from saymask.util.engines.engine import Lost, each
from saymask.util.files import file_sha256, parse_json, write_text
from saymask.util.locks import hold_folder
from saymask.util.progress import bars

if TYPE_CHECKING:
    from saymask.scan import Scan

PICTURE = "png"


@dataclass(frozen=True)
class Results:
    """Places of the results of a batch: NAME.json per scan, written last, and NAME.<format> beside it."""

    folder: Path
    formats: tuple[str, ...]
    questions: int

    def report(self, name: str) -> Path:
        """Return the file with the answers about a scan."""
        return self.folder / f"{name}.json"

    def files(self, name: str, question: int) -> dict[str, Path]:
        """Return format -> file of one answer; with several questions they are numbered from 1."""
        number = f".{question + 1}" if self.questions > 1 else ""
        return {kind: self.folder / f"{name}{number}.{kind}" for kind in self.formats}

    def pictures(self, name: str) -> list[tuple[Path, str]]:
        """Return the pictures of a scan's answers, each with its name on a contact sheet."""
        numbers = [f" {question + 1}" if self.questions > 1 else "" for question in range(self.questions)]
        return [(self.files(name, i)[PICTURE], name + number) for i, number in enumerate(numbers)]

    def done(self, name: str, origin: Row) -> Row | None:
        """Return the report of a scan that was answered before from the same `origin`, None without one."""
        try:
            report = parse_json(self.report(name).read_text(encoding="utf-8"), self.report(name))
        except (OSError, UnicodeDecodeError, InputError):
            return None
        whole = all(f.is_file() for q in range(self.questions) for f in self.files(name, q).values())
        return report if isinstance(report, dict) and report.get("origin") == origin and whole else None


@dataclass(frozen=True)
class Reply:
    """Outcome of one scan: a report, or an error."""

    report: Row | None = None
    known: bool = False
    """Whether it was answered before."""
    error: str = ""


def ask_all(asker: Asker, sources: Sources, options: PromptOptions, stages: Stages) -> int:
    """Answer about every scan of `sources`; return 0, or 1 where a scan could not be answered.

    What was answered before by the same model and options about an unchanged file is kept. A scan that cannot be read
    is said, and said again at the end. InputError while another process writes to the same folder.
    """
    kinds = (*options.format, PICTURE) if options.picture is not None else options.format
    formats = tuple(dict.fromkeys(kinds))
    results = None if options.out is None else Results(options.out, formats, len(asker.prompts))
    stages.clear()
    out = sys.stdout
    with _held(options.out), redirect_stdout(sys.stderr):  # where Ray says what happens to its processes
        return _ask_all(asker, sources, options, results, out)


def _held(out: Path | None) -> AbstractContextManager[None]:
    """Keep other commands from the folder of the results."""
    if out is None:
        return nullcontext()
    busy = f"{out}: another command writes there; wait for it or choose another folder"
    return hold_folder(out, busy)


def _ask_all(asker: Asker, sources: Sources, options: PromptOptions, results: Results | None, out: TextIO) -> int:
    answered: dict[int, str] = {}
    reports: dict[int, Row] = {}
    failed: dict[int, Row] = {}
    cautions: set[str] = set()
    items = [(number, path, sources.names[path]) for number, path in enumerate(sources.paths)]
    with bars("{task.fields[name]}", quiet=not sys.stderr.isatty()) as shown:
        task = shown.add_task("scans", total=len(items), name="")
        above = sys.stdout if out.isatty() and sys.stderr.isatty() else out  # in a terminal above the bar
        arguments = asker, _asked(asker, options), results
        for (number, path, name), reply in each(
            options.spread(), items, answering, *arguments, gpu=options.device != "cpu"
        ):
            shown.update(task, name=name, advance=1)
            if isinstance(reply, Lost) or reply.report is None:
                said = str(reply) if isinstance(reply, Lost) else reply.error
                failed[number] = {"scan": str(path), "error": said}
                print(f"{name}: error: {said}", file=sys.stderr)
                continue
            answered[number] = name
            if caution := reply.report.get("caution"):
                cautions.add(caution)
            if options.json_:
                reports[number] = reply.report
            else:
                _print(asker, name, reply.report, known=reply.known, out=above)
    if results is not None and options.picture is not None:
        from saymask.render.sheet import write_sheet

        names = [answered[number] for number in sorted(answered)]
        write_sheet([picture for name in names for picture in results.pictures(name)], options.picture)
    errors = [failed[number] for number in sorted(failed)]
    if options.json_:
        scans = [reports[number] for number in sorted(reports)]
        print(json.dumps({"model": asker.model.title, "scans": scans, "failed": errors}), file=out)
    _end(asker, len(answered), errors, cautions, results)
    return 1 if failed else 0


def answering(asker: Asker, asked: Row, results: Results | None) -> Callable[[tuple[int, Path, str]], Reply]:
    """Return the function that answers about a scan (number, path, name) and writes its files."""

    def reply(item: tuple[int, Path, str]) -> Reply:
        _, path, name = item
        try:
            origin = {**asked, "file": _state(path)}
            known = None if results is None else results.done(name, origin)
            if known is not None:
                return Reply(known, known=True)
            return Reply(_answer(asker, path, name, origin, results))
        except Exception as error:  # whatever is wrong with one file, the others are answered
            expected = isinstance(error, InputError | OSError | MemoryError)
            return Reply(error=" ".join(str(error).split()) if expected else f"{type(error).__name__}: {error}")

    return reply


def _asked(asker: Asker, options: PromptOptions) -> Row:
    """Return all that an answer depends on but the file: model, questions, options."""
    from saymask import __version__
    from saymask.hub.headers import find_checkpoint

    return {
        "saymask": __version__,
        "model": file_sha256(find_checkpoint(asker.source)),
        "verb": asker.prompts[0].verb,
        "asked": json.loads(json.dumps([prompt.asked for prompt in asker.prompts])),
        "options": [options.unit, options.up, options.adapt],
    }


def _state(path: Path) -> list[Any]:
    """Return size and time of a scan's file, of the files in a scan's folder: they tell whether it has changed."""
    files = sorted(each for each in path.iterdir() if each.is_file()) if path.is_dir() else [path]
    return [[file.name, file.stat().st_size, file.stat().st_mtime_ns] for file in files]


def _answer(asker: Asker, path: Path, name: str, origin: Row, results: Results | None) -> Row:
    """Return the report about one scan, after its files have been written."""
    from saymask.io.save import check_out

    files = [] if results is None else [results.files(name, i) for i in range(len(asker.prompts))]

    def writable(scan: "Scan") -> None:
        for kind, file in files[0].items() if files else ():
            if kind != PICTURE:
                check_out(scan, file)

    stages = Stages(quiet=True)
    answered = asker.answer(path, stages, writable)
    answers: list[Row] = []
    for prompt, masks in zip(asker.prompts, answered.masks, strict=True):
        answer = answer_of(prompt, masks, rows_of(masks))
        written = files[len(answers)] if files else {}
        for kind, file in written.items():
            if kind == PICTURE:
                from saymask.render.picture import render

                with stages("picture"):
                    render(answered.scan, masks, file, title=prompt.title, clicks=prompt.clicks)
            else:
                with stages("save"):
                    masks.save(file)
        answers.append(answer | {"files": [file.name for file in written.values()]} if files else answer)
    report = report_of(path, asker, answered.scan) | {"answers": answers, "seconds": rounded(stages.seconds)}
    if answered.caution:
        report["caution"] = answered.caution
    if results is not None:
        report["origin"] = origin
        write_text(results.report(name), json.dumps(report) + "\n")
    return report


def _print(asker: Asker, name: str, report: Row, *, known: bool, out: TextIO) -> None:
    """Print the answers about one scan for people."""
    print(f"{name}" + ("  (answered before)" if known else ""), file=out)
    for prompt, answer in zip(asker.prompts, report["answers"], strict=True):
        if len(asker.prompts) > 1:
            print(f"  {prompt.title}", file=out)
        for i, row in enumerate(answer["masks"]):
            print(f"    {line(i, row, '' if prompt.verb == 'refer' else row['name'])}", file=out)
        if answer["message"]:
            print(f"    {answer['message']}", file=out)


def _end(asker: Asker, answered: int, failed: Sequence[Row], cautions: set[str], results: Results | None) -> None:
    where = "" if results is None else f"; results in {results.folder}"
    print(f"{answered} of {answered + len(failed)} scans answered by {asker.model.title}{where}", file=sys.stderr)
    for text in sorted(cautions):
        print(f"note: {text}", file=sys.stderr)
    for row in failed:
        print(f"failed: {row['scan']}: {row['error']}", file=sys.stderr)
