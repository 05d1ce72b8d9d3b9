"""Clauses of a referring sentence, read from left to right: which phrase each attribute and each relation belongs to.

The reader keeps what a listener would: the subject of the clause, the phrase that a relative clause hangs on, relation
words that still wait for their object, and relations in front of the subject ("when facing the desk, it is ...") that
wait for their owner. What comes out are mentions and relations between them; `saymask.text.rules` makes nodes of them.
"""

from dataclasses import dataclass, field
from typing import Literal

from saymask.text.chunks import Chunker, Phrase
from saymask.text.lexicon import Tag, lexicon, read_words

Role = Literal["subject", "predicate", "anchor", "beside"]
_LINKS = ("to", "from", "than", "of", "with")
_STEPS = ("away", "up", "down", "off", "over", "out", "apart")
_SHAPED_BY = frozenset({"in", "of", "with", "has", "have", "having", "had", "without", "features", "featuring"})
_VIEW_NOUNS = frozenset({"view", "perspective", "viewpoint", "standpoint", "point of view", "vantage point"})
_EXISTENTIAL = frozenset({"there", "thereis", "there's", "theres", "here", "hereis", "here's"})
_ASIDE = frozenset({"for", "out", "at", "up", "down"})
_NEAREST = frozenset({"of", "with", "without", "where", "than"})


@dataclass(eq=False, slots=True)
class Mention:
    """A phrase of the sentence, or a pronoun for the main target, and what is said of it."""

    phrase: Phrase | None
    """None for pronouns: whoever they stand for is decided by `saymask.text.rules`."""
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


class Reader(Chunker):
    """Reads one sentence; after `read`, `mentions`, `relations` and `pronouns` hold what it says."""

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
                i = self._step(i)
                if self.words[i - 1].stop:
                    self._end_sentence()
                elif self.words[i - 1].comma:
                    self._comma(i)
        self._end_sentence()

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

    def _flush(self) -> None:
        """Relation words whose object never came are attributes ("with two lamps on top")."""
        words, self.pending = self.pending, []
        kept = [k for k in words if not self._finite(k)]
        if not kept:
            return
        if self.relations and self.last is self.relations[-1].anchor:
            relation = self.relations[-1]
            if self.tags[relation.words[0]] & Tag.POSSESS or self.text(relation.words[0]) == "with":
                relation.words += kept
                return
        self._attribute(kept, self.pending_owner or self.head)

    def _comma(self, after: int) -> None:
        """Read a comma; `after` is the word behind it."""
        if self.view or self.relative:
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

    def _finite(self, i: int) -> bool:
        """Return whether word i is a verb that says something of a subject ("is", "stands", "has")."""
        tag, text = self.tag(i), self.text(i)
        if tag & (Tag.BE | Tag.AUX):
            return not text.endswith("ing")
        return bool(tag & (Tag.REST | Tag.POSSESS | Tag.RELVERB)) and not text.endswith(("ing", "ed", "n", "t", "d"))

    def _finite_after(self, i: int) -> bool:
        while self.tag(i) & Tag.ADV and not self.tag(i) & Tag.NOUN:
            i += 1
        return self._finite(i) or (self.text(i) in ("stand", "hold") and True)

    # --- one step -----------------------------------------------------------------------------------------------

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

    def _relation_run(self, i: int) -> list[int]:
        """Return the words from i on that say a relation: "right next to", "left of", "farthest away from"."""
        if self.tags[i] & Tag.PREDET:
            return []  # "both of the beds"
        k, found = i, 0
        while k < self.size:
            tag, text = self.tags[k], self.text(k)
            if tag & Tag.PREP and not (tag & Tag.ADJ and self._plain_adjective(k)):
                k += 1
                found = k
            elif tag & Tag.ADJ and (step := self._comparison(k)):
                k = step
                found = k
            elif tag & Tag.RELNOUN and (self.text(k + 1) == "of" or (found == k and text in ("front", "top", "back"))):
                k += 1
                found = k
            elif tag & Tag.ADV:
                k += 1
            else:
                break
            if self.ends(k - 1):
                break
        return list(range(i, found))

    def _plain_adjective(self, k: int) -> bool:
        """Return whether a word such as "near" or "opposite" describes the noun that follows at once."""
        return bool(self.tag(k + 1) & Tag.NOUN) and self.text(k) in ("opposite", "inside", "outside", "next", "past")

    def _comparison(self, k: int) -> int:
        """Return the word after "close to", "higher up than", "farthest away from"; 0 when it is none of them."""
        after = k + 1
        if self.text(after) in _STEPS:
            after += 1
        text = self.text(after)
        if text not in _LINKS or self.ends(k):
            return 0
        near = bool(self.tags[k] & (Tag.NEAR | Tag.PREP)) or self.text(k) in ("close", "adjacent", "far")
        if text == "than" or (near and text != "with"):
            return after + 1
        if text in ("to", "from") and self.text(k) not in ("left", "right"):
            return 0 if self.tag(k) & Tag.COLOR or self.tag(k) & Tag.NUM or self._ranked(k) else after + 1
        return 0

    def _ranked(self, k: int) -> bool:
        """Return whether word k counts places ("second from the left"): an attribute, not a relation."""
        return self.text(k).endswith(("st", "nd", "rd", "th"))

    # --- conjunctions, relative clauses, viewpoints -------------------------------------------------------------

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

    def _starts_view(self, i: int) -> bool:
        """Return whether a viewpoint begins: "when facing", "as one looks", "while sitting"."""
        tag = self.tag(i)
        if tag & Tag.WHEN:
            return True
        after = self.tag(i + 1)
        if self.text(i) == "as":
            return bool(after & (Tag.SPEAKER | Tag.VIEW)) or self.text(i + 1) == "one"
        return bool(tag & Tag.SPEAKER) and self._viewing(i + 1)

    def _viewing(self, i: int) -> bool:
        """Return whether "are facing", "look at" follows a speaker, and not "are looking for"."""
        while self.tag(i) & (Tag.BE | Tag.AUX) and not self.tag(i) & Tag.VIEW:
            i += 1
        return bool(self.tag(i) & Tag.VIEW) and self.text(i) not in ("see", "seen") and self.text(i + 1) != "for"

    def _view(self, i: int) -> int:
        self._flush()
        self.view, self.relative, self.copula = True, False, False
        self.last_end = -1
        i += 1
        while self.tag(i) & (Tag.SPEAKER | Tag.BE | Tag.AUX) or self.text(i) == "one":
            if self.tag(i) & Tag.VIEW or self.words[i - 1].stop:
                break
            i += 1
        return i

    # --- phrases and pronouns -----------------------------------------------------------------------------------

    def _phrase(self, phrase: Phrase) -> int:
        if phrase.kind == "pronoun":
            self.it.modifiers += phrase.modifiers
            return self._pronoun(phrase.head[0])
        if self.pending:
            return self._object(phrase)
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

    def _set_last(self, mention: Mention) -> None:
        self.last = mention
        self.last_end = mention.phrase.end if mention.phrase is not None else -1

    def _object(self, phrase: Phrase) -> int:
        """Read the phrase that relation words wait for."""
        last_word = self.text(self.pending[-1])
        follows = self.text(phrase.end)
        if phrase.lemma in _VIEW_NOUNS and last_word in ("from", "in", "at"):
            self.pending = []
            self._view(phrase.start)
            return phrase.end + (follows == "of")
        relational = phrase.tag & Tag.RELNOUN or phrase.noun in ("left", "right")
        if relational and follows == "of" and not self.ends(phrase.end - 1) and phrase.end + 1 < self.size:
            self.pending += range(phrase.start, phrase.end + 1)
            return phrase.end + 1
        links = {self.text(k) for k in self.pending}
        if phrase.tag & (Tag.PART | Tag.SHAPING) and links <= _SHAPED_BY and phrase.determiner != "the":
            words = [k for k in self.pending if not self._finite(k)]
            self._attribute([*words, *phrase.modifiers, *phrase.head], self.pending_owner)
            self.pending = []
            return phrase.end
        mention = Mention(phrase, modifiers=list(phrase.modifiers))
        words, self.pending = self.pending, []
        if phrase.kind == "bare" or (phrase.kind == "generic" and phrase.noun == "one"):
            if self.relations and self.pending_owner is None:
                return phrase.end
        return self._relate(self.pending_owner, words, mention)

    def _relate(self, owner: Mention | None, words: list[int], mention: Mention) -> int:
        """Write down a relation; without an owner it waits for the subject."""
        phrase = mention.phrase
        assert phrase is not None
        mention.role, mention.owner = "anchor", owner
        self.mentions.append(mention)
        given = words
        if phrase.tag & Tag.DIRECTION:
            words = [*words, *range(phrase.start, phrase.end)]
            if phrase.determiner in ("its", "their") and owner is not None:
                self.pronouns.append(phrase.start)
                self._record(owner, words, self.it)
        else:
            self.anchored = True
        if owner is None:
            self.fronted.append((words, mention))
        else:
            self._record(owner, words, mention)
        pair = phrase.plural or any(self.tag(k) & Tag.NUM for k in phrase.modifiers)
        if any(self.text(k) in ("between", "in-between") for k in given) and not pair:
            self.between = (owner, given) if self.between is None else None
        self.flat, self.flat_words = owner, given
        self._set_last(mention)
        self.copula = False
        return phrase.end

    def _record(self, owner: Mention, words: list[int], anchor: Mention) -> None:
        # Verbs that only say "there" are no part of the relation: "is placed between".
        kept = [k for k in words if not self.tags[k] & Tag.REST or self.tags[k] & Tag.PREP] or words
        self.relations.append(Relation(owner, kept, anchor))

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

    def _object_pronoun(self, i: int) -> int:
        """Read "to the left of it": the main target, unless that is what is being placed."""
        words, self.pending = self.pending, []
        owner = self.pending_owner
        if self.view and self.anchored:
            return i + 1  # "when facing it": the anchor
        if self.fronted and owner is self.subject and not self.touching and self.last is not self.it:
            self._record(owner or self.it, words, self.fronted[-1][1])  # "facing the desk , it is to the left of it"
            return i + 1
        if owner is not None and (owner is self.it or owner.root in (self.it, self.first)):
            if self.last is None or self.last.role != "anchor":
                return i + 1
            owner = self.last  # "with a lamp on it"
        self.pronouns.append(i)
        if owner is None:
            self.fronted.append((words, self.it))
        else:
            self._record(owner, words, self.it)
        self.copula = False
        return i + 1

    # --- relation words, verbs, attributes ----------------------------------------------------------------------

    def _open(self, words: list[int]) -> None:
        """Relation words came; their object comes later."""
        if self.pending:
            self.pending += words
            return
        start = words[0]
        self.pending_owner = self._owner(words)
        self.touching = self.last_end == start
        if self.last is not None and self.last_end == start and self.text(start) in ("to", "from", "away"):
            near = [k for k in self.last.modifiers if self.tags[k] & Tag.NEAR]
            if near:  # "the closest chair to the door"
                self.last.modifiers = [k for k in self.last.modifiers if k not in near]
                words = near + words
                self.pending_owner = self.last
        if self.negation >= 0:
            words, self.negation = [self.negation, *words], -1
        self.pending = words
        self.copula = False

    def _owner(self, words: list[int]) -> Mention | None:
        """Return what a relation is said of that begins with `words`."""
        start, last = words[0], self.last
        if self.view and not self.relative:
            return self.subject
        if last is not None and self.last_end == start:
            if last.role != "anchor" or self.text(start) in _NEAREST:
                return last
            if any(self.tags[k] & Tag.NEAR for k in words):
                return last
            return self.flat
        if self.verb_end == start or self.flat is None:
            return self.head
        return self.flat

    def _participle_owner(self, i: int) -> Mention | None:
        """Return what a participle is said of: "the lamp standing on the desk"."""
        if self.view:
            return self.subject
        if self.verb_end == i or self.last is None or self.last_end != i:
            return self.head
        if self.text(i) in ("facing", "leaning", "hanging", "pointing") and self.last.role == "anchor":
            return self.flat
        return self.last

    def _verb(self, i: int) -> int:
        """Read a verb; 0 when the word is none here."""
        tag, text = self.tags[i], self.text(i)
        if tag & Tag.MADE and self.text(i + 1) in ("of", "out", "from", "with", "up"):
            return self._made(i)
        if self.view and tag & Tag.VIEW:
            self.pending, self.pending_owner = [i], self.subject
            return i + 1
        if tag & Tag.SEEK and not tag & Tag.BE or (tag & Tag.SEEK and self.subject is None):
            if self.subject is None and not self.fronted and (self.speaker or not self.verb):
                self.seeking = True
                i += 1
                while self.text(i) in _ASIDE:
                    i += 1
                return i
            if not tag & (Tag.RELVERB | Tag.VIEW):
                return i + 1
        if tag & (Tag.BE | Tag.AUX) and not (tag & Tag.POSSESS and not self._helps(i)):
            return self._copula(i)
        finite = self._finite(i)
        if finite:
            self._speak_of(i)
        owner = self.head if finite else self._participle_owner(i)
        if self.verb_end == i:
            owner = self.head
        if tag & Tag.REST and not tag & Tag.RELVERB:
            self.copula = False
            self.verb_end = i + 1
            if owner is not self.head and owner is not None:
                self.flat, self.verb_end, self.last_end = owner, -1, -1
            return i + 1
        if tag & Tag.POSSESS and self._is_place(self.subject) and not self.relative:
            self.existential, self.subject, self.head = True, None, None
            return i + 1
        if tag & (Tag.POSSESS | Tag.RELVERB):
            self._flush()
            self.pending, self.pending_owner = [i], owner
            if self.negation >= 0:
                self.pending, self.negation = [self.negation, i], -1
            self.copula = False
            return i + 1
        return 0

    def _helps(self, i: int) -> bool:
        """Return whether "has" is an auxiliary ("has been placed")."""
        after = self.tag(i + 1)
        return bool(after & Tag.BE) or (bool(after & Tag.REST) and not after & Tag.NOUN)

    def _is_place(self, mention: Mention | None) -> bool:
        if mention is None or mention.phrase is None:
            return False
        return mention.phrase.noun in ("room", "scene", "kitchen", "bathroom", "bedroom", "office", "space", "house")

    def _copula(self, i: int) -> int:
        self._flush()
        self._speak_of(i)
        self.copula = True
        return i + 1

    def _speak_of(self, i: int) -> None:
        """A finite verb came: it speaks of the relative clause's head once, then of the subject again."""
        self._flush()
        if self.relative and not self.relative_verb:
            self.relative_verb = True
        elif not self.verb_end == i:
            self.relative = False
            self.head = self.subject
            self.verb = True
        self.flat = None
        self.verb_end = i + 1

    def _made(self, i: int) -> int:
        """Read "made of wood"."""
        owner = self._participle_owner(i)
        k = i + 1
        while self.text(k) in ("of", "out", "from", "with", "up"):
            k += 1
        end = k
        while self.tag(end) & (Tag.ADJ | Tag.NOUN) and not self.tag(end) & Tag.PREP or self._more(end, k):
            end += 1
            if self.ends(end - 1):
                break
        self._attribute([w for w in range(i, end) if not self.tags[w] & Tag.CONJ], owner)
        return end

    def _more(self, i: int, start: int) -> bool:
        return i > start and bool(self.tag(i) & Tag.CONJ) and bool(self.tag(i + 1) & (Tag.MATERIAL | Tag.COLOR))

    def _adjectives(self, i: int) -> int:
        """Read attributes that are said of something: "is round and white", "brown in color"."""
        owner = self.last if self.last_end == i else self.head
        k, found = i, []
        if self.text(i) == "shaped" and i and len(self.text(i - 1)) == 1:
            found.append(i - 1)  # "l shaped"
        if self.negation >= 0:
            found.append(self.negation)
            self.negation = -1
        while k < self.size:
            tag = self.tags[k]
            if tag & (Tag.ADJ | Tag.NUM) and not self._relation_run(k) and not self.phrase(k):
                found.append(k)
            elif tag & Tag.ADV and self.tag(k + 1) & Tag.ADJ and not self._relation_run(k):
                found.append(k)
            elif not (tag & (Tag.CONJ | Tag.COMMA) and k > i and self._simple(k + 1)):
                break
            k += 1
            if self.ends(k - 1):
                break
        if self.text(k) in ("in", "of") and not self.ends(k - 1):
            shaping = k + 1 + bool(self.tag(k + 1) & Tag.DET)
            if self.tag(shaping) & Tag.SHAPING:
                found += [k, shaping]
                k = shaping + 1
        self._attribute(found, owner)
        self.copula = False
        return max(k, i + 1)

    def _simple(self, i: int) -> bool:
        """Return whether word i is an attribute alone, and no phrase or relation begins there."""
        return bool(self.tag(i) & Tag.ADJ) and not self._relation_run(i) and self.phrase(i) is None

    def _attribute(self, words: list[int], owner: Mention | None) -> None:
        if owner is None:
            self.loose += words
        else:
            owner.modifiers += words
