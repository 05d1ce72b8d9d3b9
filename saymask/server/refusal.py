"""Refusals: errors that a caller can act on, with their HTTP status."""

from saymask.errors import InputError


class Refusal(InputError):
    """A request that is not answered, with its HTTP status and, for 429, the seconds to wait."""

    def __init__(self, status: int, message: str, *, retry_after: int | None = None) -> None:
        super().__init__(message)
        self.status, self.retry_after = status, retry_after
