"""The command that opens the page."""

import contextlib
import signal
import sys
import webbrowser
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from tyro.conf import Positional

from saymask.cli.options import Switch
from saymask.cli.preferences import preferences
from saymask.util.access import check_port, is_loopback
from saymask.util.devices import check_device

if TYPE_CHECKING:
    from saymask.scan import Scan

ROOM = 302
"""Index of the example: a room beyond the validation rooms that results are measured on."""
SENTENCES = ("the chairs at the round table", "the window", "the fridge", "the sink")


def view(
    scan: Positional[Path | None] = None,
    *,
    model: str | None = None,
    host: str = "127.0.0.1",
    port: int = 8080,
    unit: Literal["m", "cm", "mm", "in", "ft"] | None = None,
    up: Literal["x", "y", "z", "-x", "-y", "-z"] | None = None,
    device: str = "auto",
    no_browser: Switch = False,
) -> int:
    """Open a page in the browser: say sentences, click on objects, look at classes, save masks.

    Args:
        scan: A scan: PLY, OBJ, GLB, STL, PCD, LAS/LAZ, E57, XYZ/PTS/CSV, NPZ, or a ScanNet scan folder; without it
            the page begins with an example room.
        model: Name or path of a checkpoint; without it the embedded one that answers everything.
        host: Address to listen on. Any other than this machine's own lets others see the page: it then asks for a
            token, which is in the address that is printed.
        port: Port; the next free one where it is taken.
        unit: Length unit of the file; detected without it.
        up: Axis of the file that points up; detected without it.
        device: auto, cpu, cuda, cuda:1, …
        no_browser: Print the address only.
    """
    liked = preferences()
    device = liked.device_or(device)
    check_device(device)
    check_port(port)
    from saymask.hub.headers import DEFAULT, find_checkpoint

    model = model or liked.model or DEFAULT
    find_checkpoint(model)
    if scan is not None:
        from saymask.io.load import check_path

        check_path(scan)
    from saymask.viewer.library import Example, Library
    from saymask.viewer.page import Start
    from saymask.viewer.server import Server

    examples = {"kitchen": Example("a kitchen", _kitchen, SENTENCES, "a made room that no model was trained on")}
    library = Library(examples, device=device, unit=unit, up=up)
    start = Start("example:kitchen" if scan is None else str(scan.absolute()), model)
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # uploads are removed whatever ends it
    signal.signal(signal.SIGINT, signal.default_int_handler)  # also in the background of a shell
    server = Server(library, start, host=host, port=port)
    if not is_loopback(host):
        print(
            f"warning: others can reach this page over {host}; give the address below to nobody else", file=sys.stderr
        )
    print(f"the page is at {server.url}   (Ctrl-C ends it)", flush=True)
    if not no_browser:
        with contextlib.suppress(webbrowser.Error):
            webbrowser.open(server.url)
    try:
        while True:
            server.gone.wait(3600)
            server.gone.clear()
    except KeyboardInterrupt:
        return 0
    finally:
        server.stop()


def _kitchen() -> "Scan":
    """Return the example room as a scan."""
    from saymask.rooms import make_room, scan_room
    from saymask.scan import Scan

    seen = scan_room(make_room("val", ROOM))
    return Scan.from_arrays(seen.vertices, seen.colors[:, :3], faces=seen.faces, unit="m", up="z", name="a kitchen")
