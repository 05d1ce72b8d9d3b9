"""Table of the verbs that each preset answers, read off the code; `python -m saymask.hub.verbs` prints it."""

from saymask.answers import VERBS
from saymask.hub import registry


def verbs_of(preset: str) -> tuple[str, ...]:
    """Return the verbs that models of a preset answer; nothing is built for it."""
    chosen = registry.preset(preset)
    return registry.system_class(chosen.system).answers(chosen.model)


def presets_for(verb: str) -> list[str]:
    """Return the names of the presets that answer `verb`, in alphabetical order."""
    return sorted(name for name in registry.PRESETS if verb in verbs_of(name))


def verb_table() -> str:
    """Return a Markdown table of all presets, those of one system that answer the same in one row."""
    rows: dict[tuple[str, tuple[str, ...]], list[str]] = {}
    for name in registry.PRESETS:
        rows.setdefault((registry.preset(name).system, verbs_of(name)), []).append(f"`{name}`")
    lines = [("models", *VERBS), ("---",) * (1 + len(VERBS))]
    for (_, verbs), names in rows.items():
        lines.append((", ".join(names), *("✓" if verb in verbs else "" for verb in VERBS)))
    return "\n".join("|" + "|".join(f" {cell} " if cell else " " for cell in line) + "|" for line in lines)


if __name__ == "__main__":
    print(verb_table())
