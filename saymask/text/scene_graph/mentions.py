"""Mentions of a sentence, and the state of the clause that is being read.

The state is what a listener keeps in mind: the subject of the clause, the phrase that a relative clause hangs on,
relation words that still wait for their object, and relations in front of the subject ("when facing the desk, it is
...") that wait for their owner.
"""

from dataclasses import dataclass, field
from typing import Literal

from saymask.text.scene_graph.chunks import Chunker, Phrase
from saymask.text.scene_graph.lexicon import Tag, lexicon, read_words

Role = Literal["subject", "predicate", "anchor", "beside"]


@dataclass(eq=False, slots=True)
class Mention:
    """A phrase of the sentence, or a pronoun for the main target, and what is said of it."""

    phrase: Phrase | None
    """None for pronouns: whoever they stand for is decided by `saymask.text.scene_graph.rules`."""
    role: Role = "subject"
    same: "Mention | None" = None
    """The subject that a predicate noun is said of: both mean the same thing ("it is a chair")."""
    owner: "Mention | None" = None
    modifiers: list[int] = field(default_factory=list)

    @property
    def root(self) -> "Mention":
        """The first mention of the same thing."""
        found = self
        while found.same is not None:
            found = found.same
        return found


@dataclass(eq=False, slots=True)
class Relation:
    """`owner` is `words` `anchor`: the lamp is on the desk."""

    owner: Mention
    words: list[int]
    anchor: Mention


class Clause(Chunker):
    """The words of a sentence, what was found in them so far, and the clause that is being read."""

    def __init__(self, utterance: str):
        super().__init__(read_words(utterance), lexicon())
        self.it = Mention(None)
        self.mentions: list[Mention] = []
        self.relations: list[Relation] = []
        self.pronouns: list[int] = []
        self.first: Mention | None = None  # probably the main target
        self._clear()
        self.anchored = False  # whether an anchor was named in this sentence

    def _clear(self) -> None:
        """Forget the clause."""
        self.subject: Mention | None = None
        self.head: Mention | None = None  # what a verb speaks of: the subject, or what a relative clause hangs on
        self.verb = self.copula = self.existential = self.seeking = self.speaker = False
        self.relative = self.relative_verb = self.view = self.joining = False
        self.pending: list[int] = []
        self.pending_owner: Mention | None = None
        self.part_owner: Mention | None = None  # whose part was named last ("with four legs")
        self.touching = False  # whether the relation words stand right behind a phrase
        self.fronted: list[tuple[list[int], Mention]] = []
        self.loose: list[int] = []  # attributes in front of the subject
        self.last: Mention | None = None
        self.last_end = -1
        self.flat: Mention | None = None  # owner of the last relation
        self.flat_words: list[int] = []
        self.between: tuple[Mention | None, list[int]] | None = None
        self.negation = -1
        self.verb_end = -1

    def _end_sentence(self) -> None:
        self._end_clause()
        self.anchored = False

    def _end_clause(self) -> None:
        self._flush()
        owner = self.subject or self.it
        for words, anchor in self.fronted:
            self._record(owner, words, anchor)
        owner.modifiers += self.loose
        self._clear()

    def _record(self, owner: Mention, words: list[int], anchor: Mention) -> None:
        # Verbs that only say "there" are no part of the relation: "is placed between".
        kept = [k for k in words if not self.tags[k] & Tag.REST or self.tags[k] & Tag.PREP] or words
        self.relations.append(Relation(owner, kept, anchor))

    def _attribute(self, words: list[int], owner: Mention | None) -> None:
        if owner is None:
            self.loose += words
        else:
            owner.modifiers += words

    def _flush(self) -> None:
        """Relation words whose object never came are attributes ("with two lamps on top")."""
        words, self.pending = self.pending, []
        kept = [k for k in words if not self._finite(k)]
        if not kept or self.view:  # "when you walk in"
            return
        if self.relations and self.last is self.relations[-1].anchor:
            relation = self.relations[-1]
            if self._carries(relation.words):
                relation.words += kept
                return
        self._attribute(kept, self.pending_owner or self.head)

    def _set_last(self, mention: Mention) -> None:
        self.last = mention
        self.last_end = mention.phrase.end if mention.phrase is not None else -1

    def _finite(self, i: int) -> bool:
        """Return whether word i is a verb that says something of a subject ("is", "stands", "has")."""
        tag, text = self.tag(i), self.text(i)
        if tag & (Tag.BE | Tag.AUX):
            return not text.endswith("ing")
        return bool(tag & (Tag.REST | Tag.POSSESS | Tag.RELVERB)) and not text.endswith(("ing", "ed", "n", "t", "d"))

    def _finite_after(self, i: int) -> bool:
        while self.tag(i) & Tag.ADV and not self.tag(i) & Tag.NOUN:
            i += 1
        return self._finite(i) or self.text(i) in ("stand", "hold")

    def _carries(self, words: list[int]) -> bool:
        return bool(words) and (bool(self.tags[words[0]] & Tag.POSSESS) or self.text(words[0]) == "with")

    @staticmethod
    def _in_room(mention: Mention) -> bool:
        """Return whether a mention is a place, which is seldom described further: "in the corner with a lamp"."""
        return mention.phrase is not None and bool(mention.phrase.tag & Tag.PLACE)
