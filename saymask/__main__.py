"""The command: `saymask`, or `python -m saymask` where its script is not on the path."""

import sys


def main() -> None:
    """Run the command of this process; an interrupt while it is still being imported ends it without a traceback."""
    try:
        from saymask.cli import main as command
    except KeyboardInterrupt:
        sys.exit(130)
    command()


if __name__ == "__main__":
    main()
