"""Agreement of the sentence parser with the Rooms programs: main target, attributes, anchors, relations.

    python -m benchmarks.parser_agreement --data DATA [--split val] [--backend rules|spacy|both] [--json]

Every Rooms sentence carries the program that it was made from. The nouns, attributes and relations of the program are
compared with those of the parsed scene graph; an aspect is right for a sentence when it is right as a whole (nothing
missing, nothing extra), and F1 counts single nouns, attributes and relations. Held-out phrasings are shown apart.
"""

import argparse
import json
import sys
import time
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from benchmarks.parser_reading import Facts, agree, expected, found
from saymask.data.samples.sentences import load_split
from saymask.errors import InputError
from saymask.text.scene_graph.parse import parse_sentence

SOURCES = ("scanrefer", "multi3drefer")
ASPECTS = ("main", "attributes", "anchors", "anchor attributes", "relations")


@dataclass
class Tally:
    """Counts of one aspect over sentences."""

    sentences: int = 0
    right: int = 0
    hits: int = 0
    missing: int = 0
    extra: int = 0

    def add(self, hits: int, missing: int, extra: int) -> None:
        """Count one sentence."""
        self.sentences += 1
        self.right += not missing and not extra
        self.hits += hits
        self.missing += missing
        self.extra += extra

    def figures(self) -> dict[str, float]:
        """Return the share of sentences that are fully right, and micro F1."""
        total = 2 * self.hits + self.missing + self.extra
        return {
            "sentences": self.sentences,
            "right": self.right / self.sentences if self.sentences else float("nan"),
            "f1": 2 * self.hits / total if total else 1.0,
        }


@dataclass
class Group:
    """The tallies of a group of sentences."""

    tallies: dict[str, Tally] = field(default_factory=lambda: {aspect: Tally() for aspect in ASPECTS})

    def add(self, want: Facts, have: Facts) -> dict[str, tuple[list, list]]:
        """Count one sentence; return what is missing and what is extra per aspect."""
        wrong = {}
        for aspect, (hits, missing, extra) in agree(want, have).items():
            self.tallies[aspect].add(hits, len(missing), len(extra))
            if missing or extra:
                wrong[aspect] = (missing, extra)
        return wrong


def measure(
    data: str, split: str, backend: str, *, sources: Iterable[str] = SOURCES, limit: int = 0, show: str = ""
) -> dict[str, Any]:
    """Return the agreement of a backend over a split: groups "all", the sources, and "compositional"."""
    groups: dict[str, Group] = {}
    seconds, count, shown = 0.0, 0, Counter[str]()
    for source in sources:
        annotations = load_split(data, split, source=source)
        for annotation in annotations[: limit or None]:
            if annotation.program is None:
                continue
            start = time.thread_time()
            graph = parse_sentence(annotation.sentence, source=source, backend=backend)
            seconds += time.thread_time() - start
            count += 1
            want, have = expected(annotation.program), found(graph, annotation.program)
            names = ["all", source] + ["compositional"] * annotation.compositional
            for name in names:
                wrong = groups.setdefault(name, Group()).add(want, have)
            if show and show in wrong and shown[show] < 4000:
                shown[show] += 1
                print(f"{graph.utterance}\n    missing {wrong[show][0]}  extra {wrong[show][1]}", file=sys.stderr)
    if not count:
        raise InputError(f"{data}: expected sentences with programs in split {split!r}; make them with `saymask rooms`")
    figures = {
        name: {aspect: tally.figures() for aspect, tally in group.tallies.items()} for name, group in groups.items()
    }
    return {"backend": backend, "split": split, "milliseconds": 1000 * seconds / count, "agreement": figures}


def table(result: dict[str, Any]) -> str:
    """Return the agreement of one backend as text."""
    lines = [
        f"{result['backend']} on {result['split']}: {result['milliseconds']:.2f} ms per sentence; "
        "share fully right / micro F1, %"
    ]
    lines.append(f"{'':14}{'n':>7}" + "".join(f"{aspect:>20}" for aspect in ASPECTS))
    for name, group in result["agreement"].items():
        cells = "".join(f"{100 * group[a]['right']:>12.1f} / {100 * group[a]['f1']:5.1f}" for a in ASPECTS)
        lines.append(f"{name:14}{group['main']['sentences']:>7}{cells}")
    return "\n".join(lines)


def backends(wanted: str) -> list[str]:
    """Return the backends to measure; "both" leaves out spaCy where it has no model."""
    if wanted != "both":
        return [wanted]
    from saymask.text.scene_graph.spacy_backend import installed_model

    return ["rules"] + ["spacy"] * (installed_model() is not None)


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--data", required=True, help="prepared Rooms folder")
    parser.add_argument("--split", default="val")
    parser.add_argument("--backend", default="both", choices=("rules", "spacy", "both"))
    parser.add_argument("--limit", type=int, default=0, help="sentences per source (0 = all)")
    parser.add_argument("--show", default="", choices=("", *ASPECTS), help="print sentences where this aspect is wrong")
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    try:
        results = [
            measure(args.data, args.split, backend, limit=args.limit, show=args.show)
            for backend in backends(args.backend)
        ]
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    print(json.dumps(results, indent=1) if args.json else "\n\n".join(table(result) for result in results))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
