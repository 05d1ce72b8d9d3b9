"""The process in which files are read: it answers one line per file, and may die without harm.

Started by `tests.fuzz.run`; lines on standard input name a reader and a path.
"""

import contextlib
import json
import os
import resource
import sys
import time
from pathlib import Path
from typing import Any


def _status(key: str) -> int:
    """Return a figure of /proc/self/status in bytes, 0 where there is none."""
    try:
        for line in Path("/proc/self/status").read_text().splitlines():
            if line.startswith(key + ":"):
                return int(line.split()[1]) * 1024
    except OSError:
        pass
    return 0


def _forget_peak() -> None:
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")


def read(reader: str, path: Path) -> dict[str, Any]:
    """Read one file; return the outcome, how long it took (seconds of this process) and how far memory rose (bytes)."""
    from saymask.errors import InputError
    from tests.fuzz.targets import TARGETS

    _forget_peak()
    before, started = _status("VmRSS"), time.process_time()
    outcome, error = "loaded", ""
    try:
        TARGETS[reader](path)
    except InputError as caught:
        outcome, error = "refused", str(caught)
    except BaseException as caught:  # what the run looks for
        where = ""
        trace = caught.__traceback__
        while trace is not None:
            if "saymask" in trace.tb_frame.f_code.co_filename:
                where = f"{Path(trace.tb_frame.f_code.co_filename).name}:{trace.tb_lineno}"
            trace = trace.tb_next
        outcome, error = "other", f"{type(caught).__name__} at {where}: {str(caught)[:150]}"
    return {
        "outcome": outcome,
        "error": error,
        "seconds": time.process_time() - started,
        "memory": max(0, _status("VmHWM") - before),
    }


def main() -> None:
    """Answer until standard input ends."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # what compiled libraries print must not mix with the answers
    import warnings

    warnings.simplefilter("ignore")
    for line in sys.stdin:
        request = json.loads(line)
        if request.get("limit"):  # for the machine's sake; the memory that counts is measured
            most = _status("VmData") + request["limit"]
            resource.setrlimit(resource.RLIMIT_DATA, (most, resource.RLIM_INFINITY))
        answers.write(json.dumps(read(request["reader"], Path(request["path"]))) + "\n")
        answers.flush()


if __name__ == "__main__":
    main()
