"""Scene graph of a sentence: the things it names, their attributes, and how they are related.

Words are the white-space words of the utterance, numbered from 0; spans are its characters [start, end). The model text
is the utterance plus a suffix, so the spans hold for it too.

Source: docs/systems/bqnet.md §2.4.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from saymask.text.token_maps import Span, Spans

Kind = Literal["Object", "Scene"]
MAIN = 0
"""Id of the node that the sentence is about."""


@dataclass(frozen=True)
class Node:
    """A thing or place that the sentence names (official: `graph_node`)."""

    id: int
    """0 = the main target; every other node has its own number from 1 on (official: `node_id`)."""
    target: str
    """The name as written, compound parts in front: "coffee table"."""
    lemma: str
    """The same with every word in its basic form (official: `lemma_head`)."""
    kind: Kind
    """Kind by the noun lists (official: `node_type`)."""
    target_words: tuple[int, ...]
    """Words of the name (official: `target_mask`)."""
    modifiers: tuple[int, ...] = ()
    """Words of its attributes, in the order found; a word may come twice (official: `mod_text`, `mod_mask`)."""
    pronouns: tuple[int, ...] = ()
    """Words of pronouns and repetitions that mean it; only the main target has them (official: `pron_mask`)."""
    target_spans: tuple[Span, ...] = ()
    modifier_spans: tuple[Span, ...] = ()
    pronoun_spans: tuple[Span, ...] = ()
    relation_spans: tuple[Span, ...] = ()
    """Words of the relations that belong to the main target, those of several edges repeated."""


@dataclass(frozen=True)
class Edge:
    """ "`object` is `relation` `subject`": the lamp (object) is on (relation) the desk (subject); official names."""

    object_id: int
    object: str
    relation: str
    """The relation's words, joined by spaces."""
    relation_words: tuple[int, ...]
    subject_id: int
    subject: str


@dataclass(frozen=True)
class SceneGraph:
    """The parse of one sentence."""

    utterance: str
    """The cleaned sentence that was parsed, with the prefix if the sentence alone named nothing."""
    nodes: tuple[Node, ...] = ()
    """The main target first when there is one."""
    edges: tuple[Edge, ...] = ()

    @property
    def words(self) -> tuple[str, ...]:
        """White-space words of the utterance, which every word number refers to."""
        return tuple(self.utterance.split())

    @property
    def main(self) -> Node | None:
        """The node that the sentence is about; None when the parser found none."""
        return self.nodes[0] if self.nodes and self.nodes[0].id == MAIN else None

    @property
    def auxiliary(self) -> Node | None:
        """The first object besides the main target (official: `auxi_entity`, which no model reads)."""
        return next((node for node in self.nodes if node.id != MAIN and node.kind == "Object"), None)

    def spans(self) -> Spans:
        """Return the characters of the model text that the semantic alignment uses (docs/systems/bqnet.md §2.4d)."""
        others = (node for node in self.nodes if node.id != MAIN and node.kind == "Object")
        other = tuple(span for node in others for span in node.target_spans)
        main = self.main
        if main is None:
            return Spans(other=other)
        return Spans(
            positive=main.target_spans,
            modify=main.modifier_spans,
            pron=main.pronoun_spans,
            rel=main.relation_spans,
            other=other,
        )


def word_spans(text: str) -> tuple[Span, ...]:
    """Return the characters [start, end) of every white-space word of `text`."""
    spans, start = [], 0
    for word in text.split():
        start = text.index(word, start)
        spans.append((start, start + len(word)))
        start += len(word)
    return tuple(spans)


def pick(spans: Sequence[Span], words: Iterable[int]) -> tuple[Span, ...]:
    """Return the spans of `words`, in that order, without empty ones (a word that has no span is left out)."""
    return tuple(spans[word] for word in words if spans[word][0] < spans[word][1])
