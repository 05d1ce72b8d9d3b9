"""Errors that a user can act on; the command line prints them in one line and exits with 2."""


class InputError(ValueError):
    """What the user gave cannot be used; the message says what was expected, what came, and what to do."""


class CheckpointError(InputError):
    """A checkpoint that cannot be loaded as asked."""


class ProtocolError(InputError):
    """A model cannot be measured by a protocol: it has other classes, or does not say what the protocol asks for."""
