"""Opening the page on a result or a scene from Python: in a browser, or inside a notebook."""

import contextlib
import sys
import webbrowser
from typing import TYPE_CHECKING, Any

from saymask.hub.headers import DEFAULT
from saymask.masks import Masks
from saymask.scan import Scan
from saymask.viewer.library import Library
from saymask.viewer.page import Start
from saymask.viewer.server import Server

if TYPE_CHECKING:
    from saymask.scene.scene import Scene

HEIGHT = 640
"""Pixels of the page inside a notebook."""
COMES = 60
"""Seconds that a browser may take to open the page."""
_LASTING: list[Server] = []
"""Servers of notebooks and interactive sessions, which end with the process."""


def show(scan: Scan, *, masks: Masks | None = None, title: str = "", scene: "Scene | None" = None) -> None:
    """Open the page on a scan, with `masks` marked, and with a scene that is asked there.

    Without a scene the embedded model encodes the scan when the first question comes. In a notebook the page is shown
    in the cell; in an interactive Python it stays open while you work; a script waits until the page is closed.
    """
    library = Library()
    key = "shown"
    opened = library.add(key, scan)
    model = DEFAULT
    if scene is not None:
        model = scene.model.title
        library.keep(opened, model, scene)
    result = None if masks is None else (masks, title or (masks.names[0] if len(masks) else "result"))
    server = Server(library, Start(key, model, result, encode=scene is not None), port=0)
    if _in_notebook(server.url):
        _LASTING.append(server)
        return
    print(f"the page is at {server.url}", file=sys.stderr)
    with contextlib.suppress(webbrowser.Error):
        webbrowser.open(server.url)
    if hasattr(sys, "ps1") or sys.flags.interactive:
        _LASTING.append(server)
        return
    try:
        if server.came.wait(COMES):
            server.gone.wait()
    except KeyboardInterrupt:
        pass
    finally:
        server.stop()


def _in_notebook(url: str) -> bool:
    """Show the page in the cell of a notebook; say whether there is one."""
    shell: Any = None
    with contextlib.suppress(ImportError):
        from IPython.core.getipython import get_ipython

        shell = get_ipython()
    if shell is None or not shell.has_trait("kernel"):
        return False
    from IPython.display import IFrame, display

    display(IFrame(url, width="100%", height=HEIGHT))
    return True
