"""Changes that no test can notice, as `tests.tools.mutate` names them, each with the reason."""

EQUIVALENT: dict[str, str] = {}
