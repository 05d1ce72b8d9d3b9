"""Figure: a measured number, and what it is held against."""

from dataclasses import asdict, dataclass, field
from typing import Any

MORE_IS_BETTER = ("×", "/s", "%")


@dataclass(frozen=True)
class Figure:
    """A number with its unit; aim, limit and peer have the same unit.

    Units are s, MB, /s, × (a ratio of which more is better), % (the same) and `exponent`.
    """

    what: str
    value: float
    unit: str = "s"
    cpu: float | None = None
    """CPU seconds of all threads, which other programs disturb less than the clock."""
    aim: float | None = None
    """At most this, or at least where more is better."""
    before: float | None = None
    """What it was before the work that set the aim."""
    limit: float | None = None
    limit_of: str = ""
    """What the machine allows, measured in the same run, and by what."""
    peer: float | None = None
    peer_of: str = ""
    """What another program needs, measured in turn with ours; `peer_of` alone says why there is none."""
    parts: dict[str, float] = field(default_factory=dict)
    """Seconds of its stages, which explain a missed aim."""
    note: str = ""

    @property
    def met(self) -> bool | None:
        """Whether the aim is met; None without one."""
        if self.aim is None:
            return None
        return self.value >= self.aim if self.more_is_better else self.value <= self.aim

    @property
    def more_is_better(self) -> bool:
        """Whether a larger value is the better one."""
        return self.unit in MORE_IS_BETTER

    @property
    def of_limit(self) -> float | None:
        """Ours over the limit; 1 is all that the machine has."""
        return self._over(self.limit)

    @property
    def of_peer(self) -> float | None:
        """Ours over the other program's; below 1 ours is better."""
        return self._over(self.peer)

    def _over(self, other: float | None) -> float | None:
        if not other or not self.value:
            return None
        return other / self.value if self.more_is_better else self.value / other

    def as_json(self) -> dict[str, Any]:
        """Return what is not empty, rounded to four digits."""
        usual = asdict(Figure("", 0.0))
        return {k: _rounded(v) for k, v in asdict(self).items() if k in ("what", "value") or v != usual[k]}


def _rounded(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: _rounded(v) for k, v in value.items()}
    return float(f"{value:.4g}") if isinstance(value, float) else value
