"""Clauses of a referring sentence, read from left to right: which phrase each attribute and each relation belongs to.

What comes out are mentions and relations between them; `saymask.text.scene_graph.rules` makes nodes and edges of them.
"""

from saymask.text.scene_graph.chunks import Phrase
from saymask.text.scene_graph.lexicon import Tag
from saymask.text.scene_graph.mentions import Mention
from saymask.text.scene_graph.predicates import PredicateReader

_EXISTENTIAL = frozenset({"there", "thereis", "there's", "theres", "here", "hereis", "here's"})


class Reader(PredicateReader):
    """Reads one sentence; after `read`, `mentions`, `relations` and `pronouns` hold what it says."""

    def read(self) -> None:
        """Read all words."""
        i = 0
        while i < self.size:
            tag = self.tags[i]
            if tag & Tag.STOP:
                self._end_sentence()
                i += 1
            elif tag & Tag.COMMA:
                self._comma(i + 1)
                i += 1
            else:
                after = self._step(i)  # i itself when a viewpoint begins with the verb that is read next
                if after > i and self.words[after - 1].stop:
                    self._end_sentence()
                elif after > i and self.words[after - 1].comma:
                    self._comma(after)
                i = after
        self._end_sentence()

    def _comma(self, after: int) -> None:
        """Read a comma; `after` is the word behind it."""
        self._flush()
        self.view = self.relative = self.relative_verb = False
        self.last_end = -1
        self.head = self.subject
        phrase = self.phrase(after) if not self.pending else None
        if phrase is None or phrase.kind == "pronoun":
            return
        if self._finite_after(phrase.end):
            if self.subject is not None:
                self._end_clause()
        elif self.last is not None and self.last.role == "anchor" and self._listed(phrase.end):
            self.joining = True

    def _listed(self, i: int) -> bool:
        return bool(self.tag(i) & (Tag.COMMA | Tag.CONJ | Tag.STOP)) or self.words[i - 1].comma

    def _step(self, i: int) -> int:
        """Read what begins at word i; return the word after it."""
        tag = self.tags[i]
        if tag & Tag.CONJ:
            return self._conjunction(i)
        if tag & Tag.RELATIVE and (end := self._relative(i)):
            return end
        if tag & Tag.NOT:
            self.negation = i
            self.verb_end = i + 1 if tag & Tag.BE or self.verb_end == i else self.verb_end
            return i + 1
        if self._starts_view(i):
            return self._view(i)
        if words := self._relation_run(i):
            self._open(words)
            return words[-1] + 1
        if tag & Tag.PRON and not self._is_determiner(i):
            return self._pronoun(i)
        if tag & Tag.SPEAKER:
            self.speaker = True
            return i + 1
        if self.text(i) == "number" and self.tag(i + 1) & Tag.NUM and not self.pending:
            self._attribute([i, i + 1], self.last or self.head)
            self.last_end = i + 2
            return i + 2
        fresh = bool(self.pending) or (self.subject is None and not self.verb and not self.view)
        phrase = self.phrase(i, fresh=fresh)
        if phrase is not None:
            return self._phrase(phrase)
        if tag & (Tag.VERB | Tag.MADE) and (end := self._verb(i)):
            return end
        if tag & (Tag.ADJ | Tag.NUM) or (tag & Tag.ADV and self.tag(i + 1) & Tag.ADJ):
            return self._adjectives(i)
        return i + 1

    # --- conjunctions and relative clauses ----------------------------------------------------------------------

    def _conjunction(self, i: int) -> int:
        k = i + 1
        while self.tag(k) & (Tag.CONJ | Tag.COMMA):
            k += 1
        tag = self.tag(k)
        if tag & Tag.PRON and not self._is_determiner(k):
            if self.text(k) in _EXISTENTIAL or self._finite_after(k + 1):
                self._end_clause()
            return k
        if self._starts_view(k) or self._relation_run(k):
            self._stop_relative(False)
            return k
        phrase = self.phrase(k, fresh=bool(self.last))
        if phrase is not None:
            open_pair = self.between is not None
            if self._finite_after(phrase.end) and not open_pair and (self.verb or self.view):
                self._end_clause()
            else:
                self.joining = True
                self._flush()
            return k
        if tag & Tag.VERB:
            self._stop_relative(self._finite(k) or bool(tag & Tag.BE))
        return k

    def _stop_relative(self, whole: bool) -> None:
        """Go back from a relative clause or a viewpoint to what the clause speaks of."""
        self._flush()
        self.last_end = -1
        self.view = False
        if whole or not self.relative:
            self.relative = self.relative_verb = False
            self.head = self.subject
            self.flat = self.subject

    def _relative(self, i: int) -> int:
        """Read "that", "which", "who" behind a phrase; 0 when it is no relative clause."""
        if self.last is None or self.pending:
            return 0
        tag = self.tags[i]
        if self.text(i) == "that" and self.last_end != i:
            if tag & Tag.BE or not self._finite(i + 1) or self.subject is None:
                return 0
            self.last = self.subject  # "the table with a lamp on it that is near the door"
        if self.text(i) == "that" and self._is_determiner(i) and not tag & Tag.BE and not self._finite(i + 1):
            return 0
        self.head = self.last
        self.relative, self.relative_verb = True, bool(tag & Tag.BE)
        self.copula = bool(tag & Tag.BE)
        self.last_end = -1
        self.verb_end = i + 1
        return i + 1

    # --- phrases and pronouns -----------------------------------------------------------------------------------

    def _phrase(self, phrase: Phrase) -> int:
        if phrase.kind == "pronoun":
            self.it.modifiers += phrase.modifiers
            return self._pronoun(phrase.head[0])
        if self.pending:
            return self._object(phrase)
        if self.joining and self.part_owner is not None and phrase.tag & (Tag.PART | Tag.SHAPING):
            self.joining = False
            self._attribute([*phrase.modifiers, *phrase.head], self.part_owner)
            return phrase.end
        mention = Mention(phrase, modifiers=list(phrase.modifiers))
        if phrase.determiner in ("its", "their"):
            self.pronouns.append(phrase.start)
        if self.negation >= 0 and self.copula:
            mention.modifiers.insert(0, self.negation)
            self.negation = -1
        joining, self.joining = self.joining, False
        if joining and self.between is not None:
            owner, words = self.between
            self.between = None
            return self._relate(owner, words, mention)
        if joining and self.last is not None and self.last.role == "anchor":
            return self._relate(self.flat, self.flat_words, mention)
        self.mentions.append(mention)
        if joining and self.last is not None:
            mention.role = "beside"
            self._set_last(mention)
            return phrase.end
        self._place(mention)
        return phrase.end

    def _place(self, mention: Mention) -> None:
        """Find the part that a phrase without a relation in front plays in its clause."""
        phrase = mention.phrase
        speaks_of = self.head if self.relative else self.subject
        if self.copula and speaks_of is not None and not self.existential:
            mention.role, mention.same = "predicate", speaks_of
            if self.first is None:
                self.first = mention
        elif self.subject is not None and not self.verb and phrase is not None and phrase.kind != "noun":
            mention.role, mention.same = "predicate", self.subject  # "the chair , a brown one"
        elif self.subject is not None and self.verb and not self._finite_after(phrase.end if phrase else 0):
            mention.role = "beside"
        else:
            if self.subject is not None:
                self._end_clause()
            self.view = False
            self.subject = self.head = mention
            if self.first is None:
                self.first = mention
        self.copula = self.existential = False
        self._set_last(mention)

    def _pronoun(self, i: int) -> int:
        text, tag = self.text(i), self.tags[i]
        if text in _EXISTENTIAL:
            if tag & Tag.BE or self.tag(i + 1) & (Tag.BE | Tag.AUX):
                if self.subject is not None:
                    self._end_clause()
                self._flush()
                self.existential = True
                self.verb = bool(tag & Tag.BE)
            return i + 1
        if self.pending:
            return self._object_pronoun(i)
        if self.seeking or (self.copula and self.subject is None and self.fronted):
            self.pronouns.append(i)
            return i + 1
        if self.verb and self.subject is not None:
            self._end_clause()
        if self.view:
            self.view = False
        self.pronouns.append(i)
        self.subject = self.head = self.it
        self.copula = self.verb = bool(tag & Tag.BE)
        self.verb_end = i + 1 if tag & Tag.BE else -1
        return i + 1
