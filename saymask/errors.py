"""Errors that a user can act on; the command line prints them in one line and exits with 2."""


class InputError(ValueError):
    """Input that cannot be used; the message says what was expected, what came, and what to do."""


class CheckpointError(InputError):
    """A checkpoint that cannot be loaded as asked."""


class ProtocolError(InputError):
    """A protocol that cannot measure a model: the model has other classes, or lacks an output that is needed."""
