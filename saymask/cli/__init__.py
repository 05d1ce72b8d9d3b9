"""The `saymask` command: one function per verb; its parameters become flags (tyro)."""

import atexit
import io
import os
import sys
from collections.abc import Callable
from typing import Literal

import tyro
from tyro.conf import Positional

from saymask.cli import coordinates as places
from saymask.cli import data, demo, models, prompts, serve, view
from saymask.cli.renamed import renamed
from saymask.errors import InputError

# Everything else is imported inside the command that needs it: `saymask --help` answers at once.


def completion(shell: Positional[Literal["bash", "zsh", "fish"]]) -> int:
    """Print the script by which a shell completes commands and flags.

    Args:
        shell: bash: `saymask completion bash > ~/.local/share/bash-completion/completions/saymask`. zsh: into a file
            `_saymask` of a folder in $fpath. fish: into ~/.config/fish/completions/saymask.fish.
    """
    from saymask.cli.completion import print_completion

    print_completion(shell, _COMMANDS)
    return 0


_RESUMED = ("refer", "find", "click", "segment", "rooms", "prepare", "train", "get")
"""Commands that find again what an earlier run of theirs has finished."""
_COMMANDS: dict[str, Callable[..., int]] = {
    "demo": demo.demo,
    "refer": prompts.refer,
    "find": prompts.find,
    "click": prompts.click,
    "segment": prompts.segment,
    "view": view.view,
    "serve": serve.serve,
    "rooms": data.rooms,
    "prepare": data.prepare,
    "anchors": data.anchors,
    "train": models.train,
    "evaluate": models.evaluate,
    "compare": models.compare,
    "convert": models.convert,
    "get": models.get,
    "publish": models.publish,
    "models": models.models,
    "doctor": models.doctor,
    "completion": completion,
}


def _help() -> str:
    lines = ["usage: saymask COMMAND ...   (saymask COMMAND --help says more)", ""]
    for name, function in _COMMANDS.items():
        lines.append(f"  {name:<10} {(function.__doc__ or '').strip().splitlines()[0]}")
    return "\n".join(lines)


def run(arguments: list[str]) -> int:
    """Run one command line; return its exit code. Raises InputError for what the user can mend."""
    if not arguments or arguments[0] in {"-h", "--help", "help"}:
        print(_help())
        return 0
    if arguments[0] in {"-V", "--version", "version"}:
        from saymask import __version__

        print(f"saymask {__version__}")
        return 0
    name, rest = arguments[0], renamed(arguments[1:])
    if name not in _COMMANDS:
        from saymask.hub.registry import suggest

        raise InputError(f"expected a command ({', '.join(_COMMANDS)}), got {name!r}{suggest(name, _COMMANDS)}")
    if name == "train":
        return models.train(rest)
    if name == "click":
        rest = places.arranged(rest)
    return tyro.cli(_COMMANDS[name], args=rest, prog=f"saymask {name}")


def _leave(code: int) -> None:
    """End the process at once: with torch loaded, the interpreter takes seconds to take itself down."""
    sys.stdout.flush()
    sys.stderr.flush()
    atexit._run_exitfuncs()
    os._exit(code)


def main(arguments: list[str] | None = None) -> None:
    """Entry point; ends with an exit code.

    0: done. 1: a part could not be done (a bad file among many), the rest was. 2: an error that the user can mend, one
    line on standard error. 130: interrupted.
    """
    process = arguments is None
    if process:
        for stream in (sys.stdout, sys.stderr):
            if isinstance(stream, io.TextIOWrapper):
                stream.reconfigure(errors="replace")  # a terminal may know ASCII only; names may be no text
    arguments = sys.argv[1:] if arguments is None else arguments
    try:
        sys.exit(run(arguments))
    except InputError as error:
        message = " ".join(str(error).split())
    except BrokenPipeError:  # `saymask models | head`: who reads has enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)
    except OSError as error:  # a full disk, a missing permission: not a bug of saymask
        message = f"{error.strerror or error}" + (f": {error.filename}" if error.filename else "")
    except KeyboardInterrupt:
        again = "; the same command goes on where it stopped" if arguments[0] in _RESUMED else ""
        print(f"\nsaymask: interrupted{again}", file=sys.stderr)
        if process:
            _leave(130)
        sys.exit(130)
    print(f"saymask: error: {message}", file=sys.stderr)
    sys.exit(2)
