"""The commands that ask a model about a scan: refer, find, click, segment differ in verb and output."""

import difflib
from collections.abc import Callable, Iterator
from functools import lru_cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import tyro
from tyro.conf import Positional

from saymask.cli.ask import ask, check
from saymask.cli.asker import Pictures, Prompt, frame_done, say_of_frames
from saymask.cli.coordinates import Place, read_place
from saymask.cli.options import Prompted, PromptOptions, Switch
from saymask.cli.report import Row, cells, line, table
from saymask.cli.sources import find_sources
from saymask.errors import InputError
from saymask.util.files import atomic_path, check_writable
from saymask.util.words import check_names, check_sentence, check_threshold

if TYPE_CHECKING:
    from saymask.masks import Masks
    from saymask.scene.open_vocabulary import Views
    from saymask.scene.scene import Scene

CLASS_LISTS = ("scannet200", "scannet20")
TITLES = {"semantic": "the class of every point", "instances": "objects", "panoptic": "objects, wall and floor"}
"""Captions of pictures."""
_DEFAULTS = PromptOptions()


def refer(
    scan: Positional[Path],
    sentence: Positional[str | None] = None,
    *,
    sentences: Path | None = None,
    count: Literal["one", "any"] | None = None,
    frames: Path | None = None,
    image_encoder: Path | None = None,
    every: int = 10,
    options: Prompted = _DEFAULTS,
) -> int:
    """Mark the points that a sentence means.

    Args:
        scan: A scan: PLY, OBJ, GLB, STL, PCD, LAS/LAZ, E57, XYZ/PTS/CSV, NPZ, a ScanNet scan folder, or a prepared
            scene, DATA/scenes/<id>.safetensors; or several: a folder, a pattern such
            as "scans/*.ply", or @FILE with a path per line.
        sentence: What to mark, e.g. "the grey chair beside the window".
        sentences: Text file with a sentence per line, all of which are asked; --out then names a folder.
        count: one: exactly one mask. any: one per object, or none. Without it as the model was trained.
        frames: A .sens file, or a folder with color/, depth/ and pose/, for a model that takes 2D features
            (bqnet.gres); a prepared scene brings its own.
        image_encoder: With --frames: folder with the image model's config.json and model.safetensors.
        every: Use the frames whose number is a multiple of this.
        options: Model, outputs, and how to read the file.
    """
    options = options.checked()
    asked = _sentences(sentence, sentences)
    _check_frames(frames, every, image_encoder=image_encoder)
    pictures = None if frames is None else Pictures(frames, image_encoder, every)
    return ask(scan, [sentence_prompt(said, count) for said in asked], options, pictures)


def sentence_prompt(said: str, count: Literal["one", "any"] | None = None) -> Prompt:
    """Return the prompt of a sentence; `count` as in `refer`."""
    question = {"sentence": said, "count": count}
    return Prompt("refer", question, partial(_answer_sentence, said, count), _sentence_lines, said)


def _answer_sentence(said: str, count: Literal["one", "any"] | None, scene: "Scene") -> "Masks":
    return scene.refer(said, count=count)


def _sentence_lines(masks: "Masks", rows: list[Row]) -> Iterator[str]:
    yield from (line(i, row) for i, row in enumerate(rows))
    if masks.message:  # nothing fits, the answer is unsure, or how it came about
        yield masks.message


def _sentences(sentence: str | None, file: Path | None) -> list[str]:
    """Return the sentences of the command line: the one in it, or those of a file, one per line."""
    if (sentence is None) == (file is None):
        raise InputError(
            "expected a sentence after the scan, or --sentences FILE with one per line, got "
            + ("neither" if sentence is None else "both")
        )
    if sentence is not None:
        return [check_sentence(sentence)]
    assert file is not None
    try:
        said = [text for text in file.read_text(encoding="utf-8-sig").splitlines() if text.strip()]
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"--sentences: expected a text file in UTF-8, got {file}: {error}") from None
    if not said:
        raise InputError(f"--sentences: expected a sentence per line, got none in {file}")
    return [check_sentence(text) for text in said]


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
        scan: A scan: PLY, OBJ, GLB, STL, PCD, LAS/LAZ, E57, XYZ/PTS/CSV, NPZ, or a ScanNet scan folder; or
            several: a folder, a pattern such as "scans/*.ply", or @FILE with a path per line.
        words: One or more words or short phrases; quotes keep a phrase together.
        threshold: Relevance (0 to 1) above which points are marked, a lower one marks more; the model's own without it.
        frames: A .sens file, or a folder with color/, depth/ and pose/: objects are named by what CLIP sees in them.
        image_encoder: With --frames: folder with CLIP (config.json, model.safetensors, tokenizer), or its name;
            clip-vit-l14-336 without it.
        image_masks: With --frames: folder with masks that another program found in them, <frame number>.png or .npz.
        every: Use the frames whose number is a multiple of this.
        options: Model, outputs, and how to read the file.
    """
    options = options.checked()
    asked = check_names(words, "words")
    check_threshold(threshold)
    _check_frames(frames, every, image_encoder=image_encoder, image_masks=image_masks)
    # With frames the model gives the objects and CLIP their names.
    verb = "find" if frames is None else "instances"
    question: dict[str, Any] = {"words": asked, "threshold": threshold}
    views = None
    if frames is not None:
        check(find_sources(scan), verb, options)  # before CLIP is loaded
        views = partial(_views, frames, image_encoder, image_masks, every, options.device)
        views()
        question |= {"frames": str(frames)}
    answer = partial(_answer_words, asked, threshold, views)
    return ask(scan, [Prompt(verb, question, answer, partial(_word_lines, asked), ", ".join(asked))], options)


def _answer_words(
    asked: list[str], threshold: float | None, views: "Callable[[], Views] | None", scene: "Scene"
) -> "Masks":
    return scene.find(asked, threshold=threshold, frames=None if views is None else views())


def _word_lines(asked: list[str], masks: "Masks", rows: list[Row]) -> Iterator[str]:
    for word in asked:
        yield from (line(i, row, word) for i, row in enumerate(rows) if row["name"] == word)
    if masks.message:  # words for which there is no mask
        yield masks.message


@lru_cache(1)  # one process asks with one CLIP, and about one set of frames
def _views(frames: Path, encoder: str | None, masks: Path | None, every: int, device: str) -> "Views":
    """Return the frames of a scan with CLIP; how far it got is shown where standard error is a terminal."""
    from saymask.scene.open_vocabulary import Views
    from saymask.scene.open_vocabulary.encoder import PUBLISHED

    chosen = PUBLISHED if encoder is None else encoder
    return Views(frames, chosen, masks=masks, every=every, device=device, done=frame_done, say=say_of_frames)


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
        scan: A scan: PLY, OBJ, GLB, STL, PCD, LAS/LAZ, E57, XYZ/PTS/CSV, NPZ, or a ScanNet scan folder; or
            several: a folder, a pattern such as "scans/*.ply", or @FILE with a path per line.
        places: Where the object is: x, y and z with commas and no spaces, at most 0.5 m from the scan. Several places
            are on one object.
        not_: Places that do not belong to it: refine a mask that is too large.
        separate: Every place is on an object of its own; places after --not belong to none of them.
        options: Model, outputs, and how to read the file.
    """
    options = options.checked()
    from saymask.scene.clicks import check_clicks, check_places

    # Before the scan is read, by the scene's own rules.
    inside = [read_place(text) for text in places]
    outside = [read_place(text) for text in not_]
    check_places(inside)
    asked = [(place, True, number if separate else 0) for number, place in enumerate(inside)]
    asked += [(p, False, number) for p in outside for number in range(len(inside) if separate else 1)]
    points, positive, objects = (list(column) for column in zip(*asked, strict=True))
    check_clicks(points, positive, objects)

    question = {"clicks": inside, "not": outside, "separate": separate}
    clicks = (*((place, True) for place in inside), *((place, False) for place in outside))
    title = f"{len(clicks)} click" + "s" * (len(clicks) > 1)
    answer = partial(_answer_clicks, points, positive, objects)
    return ask(scan, [Prompt("click", question, answer, partial(_click_lines, separate), title, clicks)], options)


def _answer_clicks(points: list[Place], positive: list[bool], objects: list[int], scene: "Scene") -> "Masks":
    return scene.click(points, positive=positive, objects=objects)


def _click_lines(separate: bool, masks: "Masks", rows: list[Row]) -> Iterator[str]:
    yield from (line(i, row, row["name"] if separate else "") for i, row in enumerate(rows))


def segment(
    scan: Positional[Path],
    *,
    task: Literal["semantic", "instances", "panoptic"] = "semantic",
    classes: str | None = None,
    features: Path | None = None,
    options: Prompted = _DEFAULTS,
) -> int:
    """Mark every class of a scan, or every object.

    Args:
        scan: A scan: PLY, OBJ, GLB, STL, PCD, LAS/LAZ, E57, XYZ/PTS/CSV, NPZ, or a ScanNet scan folder; or
            several: a folder, a pattern such as "scans/*.ply", or @FILE with a path per line.
        task: semantic: one mask per class. instances: one mask per object. panoptic: both at once, without overlap.
        classes: For semantic: scannet200, scannet20, or names with commas between them ("chair,desk lamp,wall"), of
            which a model that knows text takes the nearest for every point; the model's own classes without it.
        features: File (.npy) for the model's features of every point, float16 [points of the file, channels].
        options: Model, outputs, and how to read the file.
    """
    options = options.checked()
    chosen = None if classes is None else _checked_classes(classes)
    if chosen is not None and task != "semantic":
        raise InputError(f"--classes: expected only with --task semantic, got --task {task}; leave it out")

    if features is not None:
        if features.suffix != ".npy" or find_sources(scan).several:
            raise InputError(f"--features: expected one scan and a name that ends in .npy, got {features} for {scan}")
        check_writable(features)

    question = {"task": task, "classes": chosen}
    answer = partial(_answer_task, task, chosen, features)
    return ask(scan, [Prompt(task, question, answer, partial(_task_lines, task), TITLES[task])], options)


def _answer_task(task: str, classes: str | list[str] | None, features: Path | None, scene: "Scene") -> "Masks":
    if features is not None:
        import numpy as np

        with atomic_path(features) as temporary, open(temporary, "wb") as file:
            np.save(file, scene.features(), allow_pickle=False)
    if task == "semantic":
        return scene.semantic(classes)
    return scene.instances() if task == "instances" else scene.panoptic()


def _task_lines(task: str, masks: "Masks", rows: list[Row]) -> Iterator[str]:
    largest = sorted(enumerate(rows), key=lambda pair: -pair[1]["points"])
    if task == "semantic":
        classes_found = [(str(row["label"]), row["name"], f"{row['points']:,}") for _, row in largest]
        yield from table(("label", "class", "points"), classes_found)
    else:
        yield from table(("mask", "class", "score", "points", "box"), [cells(i, row) for i, row in largest])
    if not rows:
        yield masks.message


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
