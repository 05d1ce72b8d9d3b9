"""The command that shows on a made room what saymask does."""

import sys
from pathlib import Path

from saymask.cli.asker import Asker
from saymask.cli.options import PromptOptions, Switch
from saymask.cli.prompts import sentence_prompt
from saymask.cli.report import rows_of
from saymask.cli.stages import Stages
from saymask.cli.view import ROOM, SENTENCES
from saymask.cli.view import view as open_page
from saymask.util.files import atomic_path, check_writable
from saymask.util.words import check_sentence


def demo(*, out: Path = Path("out"), sentence: str = SENTENCES[0], view: Switch = False) -> int:
    """Make a room that no model was trained on, ask for something in it, and look at the answer.

    Args:
        out: Folder for the room (kitchen.ply), the scan with the mask (demo.ply) and the picture (demo.png).
        sentence: What to mark; "the window", "the fridge" and "the sink" are there, too.
        view: Open the page on the room afterwards.
    """
    from saymask.hub.headers import DEFAULT

    sentence = check_sentence(sentence)
    for name in ("kitchen.ply", "demo.ply", "demo.png"):
        check_writable(out / name)
    stages = Stages()
    with stages("room"):
        file = make_example(out)
    prompt = sentence_prompt(sentence)
    answered = Asker(DEFAULT, [prompt], PromptOptions(), None, stages, file).answer(file, stages)
    scan, (masks,) = answered.scan, answered.masks
    with stages("save"):
        masks.save(out / "demo.ply", colored=True)
    with stages("picture"):
        from saymask.render.picture import render

        render(scan, masks, out / "demo.png", title=sentence)
    stages.clear()
    print(f"made {file}, a room that no model was trained on: {len(scan):,} points")
    print(f"“{sentence}”")
    for text in prompt.lines(masks, rows_of(masks)):
        print(text)
    print(f"wrote {out / 'demo.png'} (the picture) and {out / 'demo.ply'} (the scan with the mask)")
    print(f'ask more:        saymask refer {file} "the window" --picture {out / "window.png"}')
    print(f"look and click:  saymask view {file}")
    print(stages.summary(), file=sys.stderr)
    return open_page(file) if view else 0


def make_example(folder: Path) -> Path:
    """Write the example room, a furnished kitchen, as a mesh into `folder`; return the file, kitchen.ply."""
    from saymask.rooms import make_room, scan_room
    from saymask.rooms.write import write_mesh

    room = make_room("val", ROOM)
    file = folder / "kitchen.ply"
    with atomic_path(file) as temporary:
        write_mesh(temporary, scan_room(room))
    return file
