"""The commands that ask a model about a scan: refer, find, click, segment differ in verb and output."""

import difflib
import json
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import tyro
from tyro.conf import Positional

from saymask.cli.coordinates import read_place
from saymask.cli.options import VERB_OF_TASK, Prompted, PromptOptions, Switch, timed
from saymask.errors import InputError
from saymask.util.words import check_names, check_sentence, check_threshold

if TYPE_CHECKING:
    from saymask.masks import Masks
    from saymask.scene.open_vocabulary import Views
    from saymask.scene.scene import Scene

Row = dict[str, Any]
CLASS_LISTS = ("scannet200", "scannet20")
_DEFAULTS = PromptOptions()


@dataclass(frozen=True)
class Prompt:
    """Question of one command to a scene, and the wording of its answer."""

    verb: str
    """One of `saymask.models.base.VERBS`."""
    asked: dict[str, Any]
    """The question in the JSON object."""
    answer: Callable[["Scene"], "Masks"]
    lines: Callable[["Masks", list[Row]], Iterable[str]]
    """The answer for people; row i describes mask i."""
    title: str = ""
    """Caption of the picture; the scan's name without it."""


@dataclass(frozen=True)
class Pictures:
    """Frames of a scan, of which 2D features are made."""

    frames: Path
    encoder: Path | None
    """Folder with the image model; found by its name without it."""
    every: int


def refer(
    scan: Positional[Path],
    sentence: Positional[str],
    *,
    count: Literal["one", "any"] | None = None,
    frames: Path | None = None,
    image_encoder: Path | None = None,
    every: int = 10,
    options: Prompted = _DEFAULTS,
) -> int:
    """Mark the points that a sentence means.

    Args:
        scan: A scan: PLY, OBJ, GLB, STL, PCD, LAS/LAZ, E57, XYZ/PTS/CSV, NPZ, a ScanNet scan folder, or a prepared
            scene, DATA/scenes/<id>.safetensors.
        sentence: What to mark, e.g. "the grey chair beside the window".
        count: one: exactly one mask. any: one per object, or none. Without it as the model was trained.
        frames: A .sens file, or a folder with color/, depth/ and pose/, for a model that takes 2D features
            (bqnet.gres); a prepared scene brings its own.
        image_encoder: With --frames: folder with the image model's config.json and model.safetensors.
        every: Use the frames whose number is a multiple of this.
        options: Model, outputs, and how to read the file.
    """
    options.check()
    check_sentence(sentence)
    _check_frames(frames, every, image_encoder=image_encoder)

    def lines(masks: "Masks", rows: list[Row]) -> Iterator[str]:
        yield from (_line(i, row) for i, row in enumerate(rows))
        if not rows:
            yield masks.message

    pictures = None if frames is None else Pictures(frames, image_encoder, every)
    answer = lambda s: s.refer(sentence, count=count)  # noqa: E731
    return ask(scan, Prompt("refer", {"sentence": sentence}, answer, lines, sentence), options, pictures)


def _check_frames(frames: Path | None, every: int, **more: Path | str | None) -> None:
    """Raise InputError for frames that are not there, and for options that are used only with frames."""
    if every < 1:
        raise InputError(f"--every: expected 1 or more, got {every}")
    flags = {f"--{name.replace('_', '-')}": value for name, value in more.items()}
    if frames is None and any(value is not None for value in flags.values()):
        raise InputError(f"{', '.join(flags)}: expected only with --frames FOLDER, the images of the scan")
    for name, given in {"--frames": frames, **flags}.items():
        if isinstance(given, Path) and not given.exists():
            raise InputError(f"{name}: {given} is not there; check the path")


def find(
    scan: Positional[Path],
    words: Annotated[
        Positional[tuple[str, ...]], tyro.conf.arg(metavar="WORD [WORD ...]", help_behavior_hint="(required)")
    ],
    *,
    threshold: float | None = None,
    frames: Path | None = None,
    image_encoder: str | None = None,
    image_masks: Path | None = None,
    every: int = 10,
    options: Prompted = _DEFAULTS,
) -> int:
    """Mark everything that a word means, any word: plant, "exit sign", "something to sit on".

    Args:
        scan: A scan: PLY, OBJ, GLB, STL, PCD, LAS/LAZ, E57, XYZ/PTS/CSV, NPZ, or a ScanNet scan folder.
        words: One or more words or short phrases; quotes keep a phrase together.
        threshold: Relevance (0 to 1) above which points are marked, a lower one marks more; the model's own without it.
        frames: A .sens file, or a folder with color/, depth/ and pose/: objects are named by what CLIP sees in them.
        image_encoder: With --frames: folder with CLIP (config.json, model.safetensors, tokenizer), or its name;
            clip-vit-l14-336 without it.
        image_masks: With --frames: folder with masks that another program found in them, <frame number>.png or .npz.
        every: Use the frames whose number is a multiple of this.
        options: Model, outputs, and how to read the file.
    """
    options.check()
    asked = check_names(words, "words")
    check_threshold(threshold)
    _check_frames(frames, every, image_encoder=image_encoder, image_masks=image_masks)
    _check(scan, "find" if frames is None else "instances", options)
    views = None if frames is None else _views(frames, image_encoder, image_masks, every, options)

    def lines(masks: "Masks", rows: list[Row]) -> Iterator[str]:
        for word in asked:
            yield from (_line(i, row, word) for i, row in enumerate(rows) if row["name"] == word)
        if masks.message:  # words for which there is no mask
            yield masks.message

    question: dict[str, Any] = {"words": asked, "threshold": threshold}
    if frames is not None:
        question |= {"frames": str(frames)}
    # With frames the model gives the objects and CLIP their names.
    verb = "find" if views is None else "instances"
    answer = lambda s: s.find(asked, threshold=threshold, frames=views)  # noqa: E731
    return ask(scan, Prompt(verb, question, answer, lines, ", ".join(asked)), options)


def _views(frames: Path, encoder: str | None, masks: Path | None, every: int, options: PromptOptions) -> "Views":
    """Return the frames of a scan with CLIP; how far it got is shown where standard error is a terminal."""
    from saymask.scene.open_vocabulary import Views
    from saymask.scene.open_vocabulary.encoder import PUBLISHED

    chosen = PUBLISHED if encoder is None else encoder
    return Views(frames, chosen, masks=masks, every=every, device=options.device, done=_frame_done, say=_frames_say)


def _frame_done(frame: int, total: int) -> None:
    if sys.stderr.isatty():
        print(f"\rframe {frame:,} of {total:,}", end="\n" if frame == total else "", file=sys.stderr, flush=True)


def _frames_say(message: str) -> None:
    print(f"frames: {message}", file=sys.stderr)


def click(
    scan: Positional[Path],
    places: Annotated[
        Positional[tuple[str, ...]], tyro.conf.arg(metavar="X,Y,Z [X,Y,Z ...]", help_behavior_hint="(required)")
    ],
    *,
    not_: Annotated[
        tuple[str, ...], tyro.conf.arg(name="not", metavar="X,Y,Z [X,Y,Z ...]", help_behavior_hint="(none)")
    ] = (),
    separate: Switch = False,
    options: Prompted = _DEFAULTS,
) -> int:
    """Mark the object at a place, or at several: 1.2,0.45,0.7 (metres, z up, as in the boxes that are printed).

    Args:
        scan: A scan: PLY, OBJ, GLB, STL, PCD, LAS/LAZ, E57, XYZ/PTS/CSV, NPZ, or a ScanNet scan folder.
        places: Where the object is: x, y and z with commas and no spaces, at most 0.5 m from the scan. Several places
            are on one object.
        not_: Places that do not belong to it: refine a mask that is too large.
        separate: Every place is on an object of its own; places after --not belong to none of them.
        options: Model, outputs, and how to read the file.
    """
    options.check()
    from saymask.scene.clicks import check_clicks, check_places

    # Before the scan is read, by the scene's own rules.
    inside = [read_place(text) for text in places]
    outside = [read_place(text) for text in not_]
    check_places(inside)
    asked = [(place, True, number if separate else 0) for number, place in enumerate(inside)]
    asked += [(p, False, number) for p in outside for number in range(len(inside) if separate else 1)]
    points, positive, objects = (list(column) for column in zip(*asked, strict=True))
    check_clicks(points, positive, objects)

    def lines(masks: "Masks", rows: list[Row]) -> Iterator[str]:
        yield from (_line(i, row, row["name"] if separate else "") for i, row in enumerate(rows))

    question = {"clicks": inside, "not": outside, "separate": separate}
    prompt = Prompt("click", question, lambda s: s.click(points, positive=positive, objects=objects), lines)
    return ask(scan, prompt, options)


def segment(
    scan: Positional[Path],
    *,
    task: Literal["semantic", "instance", "panoptic"] = "semantic",
    classes: str | None = None,
    options: Prompted = _DEFAULTS,
) -> int:
    """Mark every class of a scan, or every object.

    Args:
        scan: A scan: PLY, OBJ, GLB, STL, PCD, LAS/LAZ, E57, XYZ/PTS/CSV, NPZ, or a ScanNet scan folder.
        task: semantic: one mask per class. instance: one mask per object. panoptic: both at once, without overlap.
        classes: For semantic: scannet200, scannet20, or names with commas between them ("chair,desk lamp,wall"), of
            which a model that knows text takes the nearest for every point; the model's own classes without it.
        options: Model, outputs, and how to read the file.
    """
    options.check()
    chosen = None if classes is None else _checked_classes(classes)
    if chosen is not None and task != "semantic":
        raise InputError(f"--classes: expected only with --task semantic, got --task {task}; leave it out")

    def answer(scene: "Scene") -> "Masks":
        if task == "semantic":
            return scene.semantic(chosen)
        return scene.instances() if task == "instance" else scene.panoptic()

    def lines(masks: "Masks", rows: list[Row]) -> Iterator[str]:
        largest = sorted(enumerate(rows), key=lambda pair: -pair[1]["points"])
        if task == "semantic":
            cells = [(str(row["label"]), row["name"], f"{row['points']:,}") for _, row in largest]
            yield from _table(("label", "class", "points"), cells)
        else:
            yield from _table(("mask", "class", "score", "points", "box"), [_cells(i, row) for i, row in largest])
        if not rows:
            yield masks.message

    return ask(scan, Prompt(VERB_OF_TASK[task], {"task": task, "classes": chosen}, answer, lines), options)


def ask(path: Path, prompt: Prompt, options: PromptOptions, pictures: Pictures | None = None) -> int:
    """Load model and scan, encode, answer, save, draw, and report; return the exit code 0."""
    seconds: dict[str, float] = {}
    model = _check(path, prompt.verb, options)
    with timed(seconds, "model"):
        from saymask.hub import checkpoints
        from saymask.scene.verbs import check_verb

        segmenter = checkpoints.load_model(model, device=options.device, text_encoder=options.text_encoder)
        check_verb(segmenter, prompt.verb)  # before the scan is read
        from saymask.scene.inputs import PREPARED, check_images, load_for, with_frames

        check_images(segmenter, given=path.suffix == PREPARED, frames=pictures is not None)
        if pictures is not None:
            from saymask.nn.clip_image import find_image_weights

            find_image_weights(str(pictures.encoder or segmenter.image_features))
        segmenter.get_ready(prompt.verb)
    with timed(seconds, "load"):
        scan = load_for(segmenter, path, unit=options.unit, up=options.up)
    if options.out is not None:
        from saymask.io.save import check_out

        check_out(scan, options.out)
    if pictures is not None:
        with timed(seconds, "frames"):
            scan = with_frames(
                scan, segmenter, pictures.frames, image_encoder=pictures.encoder, every=pictures.every,
                done=_frame_done, say=_frames_say,
            )  # fmt: skip
    scene = segmenter.encode(scan, adapt=options.adapt)
    masks = prompt.answer(scene)
    seconds.update(scene.seconds)
    if options.out is not None:
        with timed(seconds, "save"):
            masks.save(options.out)
    if options.picture is not None:
        with timed(seconds, "picture"):
            from saymask.render.picture import render

            render(scan, masks, options.picture, title=prompt.title)
    rows = [_row(masks, i, named=prompt.verb != "refer") for i in range(len(masks))]
    seconds = {stage: round(value, 4) for stage, value in seconds.items()}
    name = segmenter.card.get("name", segmenter.system)
    if options.json_:
        report: Row = {"scan": str(path), **prompt.asked, "model": name, "points": scan.n_original, "masks": rows}
        if prompt.verb != "refer":
            report["message"] = masks.message
        print(json.dumps({**report, "seconds": seconds}))
        return 0
    for line in prompt.lines(masks, rows):
        print(line)
    print(f"model  {name}", file=sys.stderr)
    print("seconds  " + "  ".join(f"{stage} {value:.2f}" for stage, value in seconds.items()), file=sys.stderr)
    return 0


def _check(path: Path, verb: str, options: PromptOptions) -> str:
    """Return the name or path of the model to ask; InputError, before torch is loaded, for what cannot be used."""
    from saymask.data.scenes import read_scene_info
    from saymask.hub.headers import check_answers, default_for, find_checkpoint
    from saymask.io.load import check_path

    if path.suffix == ".safetensors" and path.is_file():  # a prepared scene
        read_scene_info(path)
    else:
        check_path(path)
    # One verb needs one checkpoint, not all that the default loads.
    model = default_for(verb) if options.model is None else options.model
    check_answers(find_checkpoint(model), verb)
    return model


def _row(masks: "Masks", i: int, *, named: bool) -> Row:
    """Return the table row of mask i; a sentence's masks need no name, those of a class or a word do."""
    low, high = masks.box(i)
    row: Row = {"name": masks.names[i]} if named else {}
    if named and masks.labels is not None:
        row["label"] = int(masks.labels[i])
    return row | {
        "score": round(float(masks.scores[i]), 4),
        "points": int(masks.original(i).sum()),
        "box_min": [round(float(v), 3) for v in low],
        "box_max": [round(float(v), 3) for v in high],
    }


def _line(i: int, row: Row, word: str = "") -> str:
    name = f"{word}  " if word else ""
    return f"mask {i}  {name}score {row['score']:.2f}  {row['points']:,} points  box {_box(row)}"


def _box(row: Row) -> str:
    low, high = ("({:.2f}, {:.2f}, {:.2f})".format(*row[key]) for key in ("box_min", "box_max"))
    return f"{low} to {high} m"


def _cells(i: int, row: Row) -> tuple[str, ...]:
    return str(i), row["name"], f"{row['score']:.2f}", f"{row['points']:,}", _box(row)


def _table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """Yield the lines of a table, none for no rows: names and boxes flush left, numbers flush right."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False)
    for title in header:
        table.add_column(title, justify="left" if title in ("class", "box") else "right", no_wrap=True)
    for row in rows:
        table.add_row(*map(Text, row))  # names may hold what rich would take for its markup
    console = Console(width=10_000)  # a line is never broken, whatever reads it
    with console.capture() as text:
        console.print(table)
    yield from (line.rstrip() for line in text.get().splitlines() if rows)


def _checked_classes(text: str) -> str | list[str]:
    """Return the name of a class list, or the names that commas separate."""
    if text in CLASS_LISTS:
        return text
    names = text.split(",")
    if len(names) < 2:
        near = difflib.get_close_matches(text, CLASS_LISTS, n=1)
        hint = f" (did you mean {near[0]!r}?)" if near else ""
        raise InputError(
            f"--classes: expected {', '.join(CLASS_LISTS)}, or two and more names with commas between them, "
            f"got {text!r}{hint}"
        )
    return check_names(names, "--classes")
