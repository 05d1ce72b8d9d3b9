"""The process that reads an upload first, under limits: `python -m saymask.viewer.read_apart FILE BYTES`."""

import contextlib
import sys
from pathlib import Path


def main() -> int:
    """Read the file; print `error: …` and return 1 where that is not possible."""
    path, memory = Path(sys.argv[1]), int(sys.argv[2])
    with contextlib.suppress(ImportError):  # not on Windows
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    from saymask.errors import InputError
    from saymask.io.load import load_scan

    try:
        load_scan(path, quiet=True)
    except InputError as error:
        print("error: " + " ".join(str(error).split()))
        return 1
    except MemoryError:
        print("error: reading it takes too much memory")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
