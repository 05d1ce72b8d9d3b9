"""Files that another file names: images, materials and buffers that lie beside a scan."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from urllib.parse import unquote

_ROOT: ContextVar[Path | None] = ContextVar("root of the files that are found", default=None)


@contextmanager
def only_below(folder: Path) -> Iterator[None]:
    """Find no file outside `folder` inside the block: a scan of a stranger may name any file of this machine."""
    token = _ROOT.set(folder.resolve())
    try:
        yield
    finally:
        _ROOT.reset(token)


def find_beside(folder: Path, name: str) -> Path | None:
    """Return the file that another one in `folder` calls `name`, None if there is none.

    Names come with backslashes, quotes, percent signs, in another case, or as a path of the machine that wrote them,
    of which only the last part means something here.
    """
    plain = name.strip().strip('"').replace("\\", "/")
    parts = [plain, unquote(plain)]
    parts += [p.rsplit("/", 1)[-1] for p in parts]
    for part in parts:
        if not part or "\0" in part or re.match(r"[A-Za-z]:", part):
            continue
        try:
            if not _allowed(folder / part):
                continue
            if (folder / part).is_file():
                return folder / part
            parent = (folder / part).parent
            if parent.is_dir():
                wanted = Path(part).name.lower()
                same = next((p for p in sorted(parent.iterdir()) if p.name.lower() == wanted and p.is_file()), None)
                if same is not None and _allowed(same):
                    return same
        except OSError:  # a name that the file system refuses
            continue
    return None


def _allowed(path: Path) -> bool:
    root = _ROOT.get()
    return root is None or path.resolve().is_relative_to(root)
