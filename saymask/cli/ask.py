"""Asking a model about a scan: what the commands refer, find, click and segment have in common."""

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from saymask.cli.asker import Asker, Pictures, Prompt, answer_of, report_of, rounded
from saymask.cli.batch import ask_all
from saymask.cli.options import PromptOptions
from saymask.cli.preferences import preferences
from saymask.cli.report import rows_of
from saymask.cli.sources import Sources, find_sources
from saymask.cli.stages import Stages

if TYPE_CHECKING:
    from saymask.scan import Scan


def ask(path: Path, prompts: Sequence[Prompt], options: PromptOptions, pictures: Pictures | None = None) -> int:
    """Load the model, answer about the scan or the scans at `path`, save, draw and report; return the exit code."""
    sources = find_sources(path)
    several = sources.several or len(prompts) > 1
    model = check(sources, prompts[0].verb, options, several=several)
    options.spread().check()
    stages = Stages()
    asker = Asker(model, prompts, options, pictures, stages, sources.paths[0])
    if several:
        return ask_all(asker, sources, options, stages)
    return _ask_one(asker, path, options, stages)


def _ask_one(asker: Asker, path: Path, options: PromptOptions, stages: Stages) -> int:
    (prompt,) = asker.prompts

    def writable(scan: "Scan") -> None:
        if options.out is not None:
            from saymask.io.save import check_out

            check_out(scan, options.out)

    answered = asker.answer(path, stages, writable)
    (masks,) = answered.masks
    if options.out is not None:
        with stages("save"):
            masks.save(options.out)
    if options.picture is not None:
        with stages("picture"):
            from saymask.render.picture import render

            render(answered.scan, masks, options.picture, title=prompt.title, clicks=prompt.clicks)
    if options.turntable is not None:
        with stages("turntable"):
            from saymask.render.turntable import turntable

            turntable(answered.scan, masks, options.turntable, title=prompt.title, clicks=prompt.clicks)
    stages.clear()
    rows = rows_of(masks)
    if options.json_:
        report = report_of(path, asker, answered.scan) | answer_of(prompt, masks, rows)
        print(json.dumps({**report, "seconds": rounded(stages.seconds)}))
        return 0
    for text in prompt.lines(masks, rows):
        print(text)
    print(f"model  {asker.model.title}" + (f"  ({answered.caution})" if answered.caution else ""), file=sys.stderr)
    print(stages.summary(), file=sys.stderr)
    return 0


def check(sources: Sources, verb: str, options: PromptOptions, *, several: bool | None = None) -> str:
    """Return the name or path of the model to ask; InputError, before torch is loaded, for what cannot be used.

    several: whether the results go to a folder; without it where there are several scans, of which each is looked at
    when its turn comes.
    """
    options.check_outputs(several=sources.several if several is None else several)
    from saymask.data.scenes import read_scene_info
    from saymask.hub.headers import card_of, check_answers, default_for, find_checkpoint
    from saymask.io.load import check_path

    if not sources.several:
        (path,) = sources.paths
        if path.suffix == ".safetensors" and path.is_file():  # a prepared scene
            read_scene_info(path)
        else:
            check_path(path)
    if options.model is not None:
        check_answers(find_checkpoint(options.model), verb)
        return options.model
    liked = preferences().model
    if liked is not None and verb in card_of(find_checkpoint(liked))["verbs"]:
        return liked
    # One verb needs one checkpoint, not all that the default loads.
    return default_for(verb)
