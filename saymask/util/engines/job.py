"""A job as it travels to other processes: what makes it, and the folder that its paths are relative to."""

import os
import pickle
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from saymask import __version__
from saymask.errors import InputError


@dataclass(frozen=True)
class Job:
    """A pickled call that returns the function for every item."""

    call: bytes
    folder: str
    version: str

    @classmethod
    def of(cls, make: Callable[..., Callable[[Any], Any]], arguments: tuple[Any, ...]) -> "Job":
        """Return the job of make(*arguments) in the current folder."""
        return cls(pickle.dumps((make, arguments)), os.getcwd(), __version__)

    def begin(self) -> Callable[[Any], Any]:
        """Make the function in this process, in the same folder; InputError where that is another world."""
        if self.version != __version__:
            raise InputError(f"a worker has saymask {__version__}, not {self.version}; install the same everywhere")
        try:
            os.chdir(self.folder)
        except OSError as error:
            raise InputError(
                f"a worker cannot enter {self.folder}: {error.strerror}; machines that share a collection need the "
                "same folders (NFS, Lustre, …)"
            ) from None
        make, arguments = pickle.loads(self.call)  # noqa: S301 - from the process that started this one
        return make(*arguments)
