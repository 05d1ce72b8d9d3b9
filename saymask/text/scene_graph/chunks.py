"""Noun phrases of a referring sentence: determiner, attributes, and the words of the name (the rule parser's chunks).

A phrase is found from left to right at a given word. Names of several words ("trash can", "chest of drawers") come from
the noun lists; attributes may stand inside a name ("coffee wooden table"); measures are looked through ("a pair of
shoes" is shoes); a word that nobody knows is a noun when a determiner or an attribute is in front of it.
"""

from dataclasses import dataclass, field
from typing import Literal

from saymask.text.scene_graph.lexicon import Lexicon, Tag, Word
from saymask.text.scene_graph.nouns import singular

PhraseKind = Literal["noun", "generic", "bare", "pronoun"]
_DEMONSTRATIVES = frozenset({"this", "that", "these", "those"})
_MANY = frozenset({"all", "both", "these", "those", "several", "many", "few", "some", "multiple", "various"})
_ADJECTIVE_ENDINGS = ("y", "ish", "al", "ous", "ful", "ic", "ive", "less", "able", "ed", "ing", "like", "en")
_NOT_A_NAME = (
    Tag.PREP | Tag.BE | Tag.AUX | Tag.CONJ | Tag.COMMA | Tag.STOP | Tag.RELATIVE | Tag.PRON | Tag.WHEN | Tag.PARTICLE
)


@dataclass(slots=True)
class Phrase:
    """A noun phrase: words [start, end) of the sentence."""

    start: int
    end: int
    kind: PhraseKind
    head: list[int] = field(default_factory=list)
    """Words of the name; the last one is the noun itself, unless the name is one of the list ("chest of drawers")."""
    modifiers: list[int] = field(default_factory=list)
    determiner: str = ""
    """First determiner as written, lower case; "" for none."""
    lemma: str = ""
    """The name in basic form."""
    noun: str = ""
    """Its last word in basic form (of "chest of drawers" the first)."""
    tag: int = Tag.UNKNOWN
    """Tags of the noun."""
    plural: bool = False


class Chunker:
    """Finds noun phrases in the words of one sentence."""

    def __init__(self, words: list[Word], book: Lexicon):
        self.words = words
        self.book = book
        self.tags = [word.tag for word in words]
        self.size = len(words)

    def tag(self, i: int) -> int:
        """Return the tags of word i; beyond the end of the sentence those of a full stop."""
        return self.tags[i] if i < self.size else Tag.STOP

    def text(self, i: int) -> str:
        """Return word i in lower case; "" beyond the end."""
        return self.words[i].text if i < self.size else ""

    def ends(self, i: int) -> bool:
        """Return whether a stop or comma sticks to word i: no phrase goes on after it."""
        word = self.words[i]
        return word.stop or word.comma

    # --- phrases ------------------------------------------------------------------------------------------------

    def phrase(self, i: int, *, fresh: bool = False) -> Phrase | None:
        """Return the noun phrase that begins at word i, None when there is none.

        fresh: i is where a sentence or the object of a preposition begins, so that a word nobody knows may be a noun.
        """
        start = i
        found = Phrase(start, i, "bare")
        i = self._quantifiers(i, found)
        if self.tag(i) & Tag.PRON and not self._is_determiner(i):
            if i > start and self.text(i) in ("them", "these", "those", "it"):  # "both of them"
                found.head, found.end, found.kind = [i], i + 1, "pronoun"
                return found
            return None
        while self.tag(i) & Tag.DET and self._is_determiner(i):
            found.determiner = found.determiner or self.text(i)
            i += 1
            if i < self.size and self.ends(i - 1):
                return None
        i = self._body(i, found, fresh)
        found.end = i
        if found.head:
            return self._measured(self._named(found))
        if not (found.determiner or found.modifiers) or i == start:
            return None
        if found.determiner in ("", "no") and not any(self.tag(k) & (Tag.NUM | Tag.PREDET) for k in found.modifiers):
            return None  # "white": an attribute, not a thing
        if found.determiner in _DEMONSTRATIVES and not found.modifiers:
            return None
        return self._chosen(found)

    def _is_determiner(self, i: int) -> bool:
        """Return whether a word that may be a pronoun ("this") has a noun phrase after it."""
        if not self.tag(i) & Tag.DET or self.ends(i):
            return bool(self.tag(i) & Tag.DET)
        if self.text(i) not in _DEMONSTRATIVES and self.text(i) not in ("either", "neither"):
            return True
        after = self.tag(i + 1)
        if not after or after & (Tag.ADJ | Tag.NUM):
            return i + 1 < self.size and not after & (Tag.BE | Tag.PREP) and not (after & Tag.REST)
        return bool(after & Tag.NOUN) and not after & (Tag.VERB | Tag.PREP)

    def _quantifiers(self, i: int, found: Phrase) -> int:
        """Read "all of", "both", "two of", "one of" in front of a determiner; return the word after them."""
        if not self.tag(i) & Tag.PREDET or self.ends(i):
            return i
        if self.text(i + 1) == "of" and self.tag(i + 2) & (Tag.DET | Tag.PRON):
            found.modifiers.append(i)
            return i + 2
        if self.tag(i + 1) & Tag.DET and self.text(i) in ("all", "both", "half"):
            found.modifiers.append(i)
            return i + 1
        return i

    def _body(self, i: int, found: Phrase, fresh: bool) -> int:
        """Read attributes and the name; return the word after them."""
        while i < self.size:
            tag = self.tags[i]
            name = self._name(i, found)
            if self.text(i + 1) == "shaped" and len(self.text(i)) == 1 and not found.head:  # "l shaped"
                found.modifiers += [i, i + 1]
                i += 2
            elif name:
                found.head += range(i, i + name)
                i += name
            elif tag & _NOT_A_NAME and not tag & (Tag.ADJ | Tag.NOUN):
                step = self._joined(i, found)
                if not step:
                    break
                i = step
                continue
            elif not tag or tag == Tag.AUX:
                if not self._unknown(i, found, fresh):
                    break
                i += 1
            elif tag & Tag.NUM and not found.head:
                if self.text(i) == "one" and not self._goes_on(i + 1):
                    found.head.append(i)
                else:
                    found.modifiers.append(i)
                i += 1
            elif tag & Tag.ADJ and self._is_attribute(i, found):
                found.modifiers.append(i)
                i += 1
            elif tag & Tag.NOUN and self._is_noun(i, found, fresh):
                found.head.append(i)
                i += 1
            elif tag & Tag.ADV and not found.head and self._adverb(i, found):
                found.modifiers.append(i)
                i += 1
            else:
                break
            if self.ends(i - 1) and (found.head or not self._between_attributes(i - 1)):
                break
        return i

    def _name(self, i: int, found: Phrase) -> int:
        """Return how many words a listed name of several words has at word i; 0 when there is none."""
        for parts in self.book.phrases.get(singular(self.text(i)), ()):
            n = len(parts)
            if i + n > self.size:
                continue
            if all(singular(self.words[i + k].text) == parts[k] for k in range(1, n)):
                last = i + n - 1
                verbal = bool(self.tags[last - 1] & Tag.NOUN) and self._verb_like(last, found, True)
                if verbal or any(self.ends(k) for k in range(i, last)):
                    continue
                return n
        return 0

    def _verb_like(self, i: int, found: Phrase, named: bool) -> bool:
        """Return whether a word that is a noun and a verb is the verb after the name read so far ("the tv stands")."""
        if not self.tags[i] & Tag.VERB or not (found.head or named):
            return False
        after = self.tag(i + 1)
        if after & (Tag.STOP | Tag.COMMA | Tag.BE | Tag.RELATIVE | Tag.CONJ) or self.ends(i):
            return False
        if singular(self.text(i)) == self.text(i):
            return named is False and bool(after & (Tag.PREP | Tag.DET)) and found.plural
        if any(self.tag(k) & Tag.NUM or self.text(k) in _MANY for k in found.modifiers) or found.determiner in _MANY:
            return False
        return bool(after & (Tag.PREP | Tag.DET | Tag.ADV | Tag.ADJ | Tag.NOT))

    def _unknown(self, i: int, found: Phrase, fresh: bool) -> bool:
        """Take in a word that no list has; False when it is not part of the phrase."""
        text = self.text(i)
        modal = bool(self.tags[i])
        if modal or found.head or not text[:1].isalpha() or text.endswith("ly"):
            return False
        begun = found.determiner or found.modifiers
        if not begun and (not fresh or (i and self.text(i - 1) == "to")):
            return False  # "used to store"
        after = self.tag(i + 1)
        more = bool(after & (Tag.NOUN | Tag.ADJ)) and not after & (Tag.VERB | Tag.PREP) and not self.ends(i)
        if more and text.endswith(_ADJECTIVE_ENDINGS):
            found.modifiers.append(i)
        else:
            found.head.append(i)
        return True

    def _is_attribute(self, i: int, found: Phrase) -> bool:
        """Return whether an adjective belongs to the phrase, rather than being its noun or following it."""
        tag = self.tags[i]
        if found.head:  # inside a name: "trash small can"
            k = i
            while k < self.size and self.tags[k] & Tag.ADJ and not self.tags[k] & (Tag.NOUN | Tag.PREP | Tag.VERB):
                if self.ends(k):
                    return False
                k += 1
            return k > i and bool(self.tag(k) & Tag.NOUN) and not self.tag(k) & (Tag.VERB & ~Tag.AUX | Tag.PREP)
        if tag & Tag.PREP and not self._goes_on(i + 1):
            return False
        if tag & (Tag.RELVERB | Tag.REST) and not (found.determiner or found.modifiers):
            return False
        if self._relates(i):
            return False
        if tag & Tag.NOUN:
            return self._goes_on(i + 1) and not self.ends(i)
        return True

    def _relates(self, i: int) -> bool:
        """Return whether an adjective without an article begins a relation ("close to")."""
        return bool(self.tags[i] & (Tag.NEAR | Tag.PREP)) and self.text(i + 1) in ("to", "from", "than", "of")

    def _goes_on(self, i: int) -> bool:
        """Return whether the name of a phrase still comes from word i on."""
        while i < self.size:
            tag = self.tags[i]
            if not tag:
                return self.text(i)[:1].isalpha()
            if tag & Tag.DIRECTION and self.tag(i + 1) & Tag.PREP and self.text(i + 1) != "of":
                return False  # "the orange light right next to the desk"
            if tag & Tag.NOUN:
                return not (tag & Tag.VERB and self.tag(i + 1) & (Tag.PREP | Tag.DET)) or bool(tag & Tag.ADJ)
            if not tag & (Tag.ADJ | Tag.NUM) or tag & (Tag.PREP | Tag.BE) or self.ends(i):
                return False
            if tag & (Tag.RELVERB | Tag.REST) and self.tag(i + 1) & (Tag.PREP | Tag.DET):
                return False
            i += 1
        return False

    def _is_noun(self, i: int, found: Phrase, fresh: bool) -> bool:
        tag = self.tags[i]
        begun = bool(found.determiner or found.modifiers)
        if self.text(i) == "number" and found.head and self.tag(i + 1) & Tag.NUM:
            return False  # "the fan number two"
        if tag & Tag.MEASURE and found.head:
            return False  # "a chair set up at the desk"
        if tag & Tag.AUX and not begun and not found.head:
            return False
        if tag & Tag.VERB:
            if not begun and not found.head:
                return False
            return not self._verb_like(i, found, False)
        if tag & (Tag.RELNOUN | Tag.DIRECTION) and (found.head or not begun):
            return False  # "the chair left of the desk", "on top"
        if tag & Tag.PREP and not begun:
            return False
        if tag & (Tag.COLOR | Tag.MATERIAL) and not (fresh or begun or found.head):
            return self.text(i) != singular(self.text(i))  # "it is orange"
        if tag & Tag.ADJ and found.head and tag & (Tag.COLOR | Tag.MATERIAL):
            return self.tag(i + 1) & (Tag.PREP | Tag.CONJ | Tag.COMMA) == 0
        return True

    def _adverb(self, i: int, found: Phrase) -> bool:
        """Return whether an adverb grades an attribute of the phrase ("very large", "most sizable")."""
        after = self.tag(i + 1)
        begun = bool(found.determiner or found.modifiers) or self.text(i) in ("most", "least", "very")
        return begun and bool(after & Tag.ADJ) and not after & Tag.PREP

    def _joined(self, i: int, found: Phrase) -> int:
        """Return the word after "and" or a comma between two attributes ("brown and white chair"), else 0."""
        if found.head or not found.modifiers or not self.tags[i] & (Tag.CONJ | Tag.COMMA):
            return 0
        return i + 1 if self._between_attributes(i) else 0

    def _between_attributes(self, i: int) -> bool:
        after = i + 1
        while self.tag(after) & (Tag.CONJ | Tag.COMMA):
            after += 1
        return bool(self.tag(after) & Tag.ADJ) and self._goes_on(after + 1)

    # --- names --------------------------------------------------------------------------------------------------

    def _named(self, found: Phrase) -> Phrase:
        """Fill in what the name is called."""
        lemmas = [self._lemma(k) for k in found.head]
        found.lemma = " ".join(lemmas)
        of = lemmas.index("of") if "of" in lemmas else len(lemmas)
        last = found.head[max(of - 1, 0)]
        found.noun, found.tag = lemmas[max(of - 1, 0)], self.tags[last]
        found.plural = self.text(last) != found.noun
        found.kind = "generic" if found.tag & Tag.GENERIC and len(lemmas) == 1 else "noun"
        return found

    def _lemma(self, i: int) -> str:
        base = singular(self.text(i))
        possessive = base.endswith("is") and base not in self.book.tags  # "desk's" after the official clean-up
        return base[:-2] if possessive and self.book.tags.get(base[:-2], 0) & Tag.NOUN else base

    def _measured(self, found: Phrase) -> Phrase:
        """Look through a measure ("a set of blinds"), or join a vessel and what is in it ("a bottle of water")."""
        if len(found.head) != 1 or self.text(found.end) != "of" or self.ends(found.end - 1):
            return found
        if found.tag & Tag.MEASURE or (found.noun == "one" and self.tag(found.end + 1) & Tag.DET):
            inner = self.phrase(found.end + 1, fresh=True)
            if inner is None or inner.kind in ("bare", "pronoun"):
                return found
            inner.start = found.start
            inner.modifiers = found.modifiers + inner.modifiers
            inner.determiner = found.determiner or inner.determiner
            return inner
        inside = self.tag(found.end + 1)
        if found.tag & Tag.HOLDER and (inside & (Tag.NOUN | Tag.ADJ) or not inside):
            inner = self.phrase(found.end + 1, fresh=True)
            if inner is not None and not inner.determiner and inner.kind == "noun":
                found.head += [found.end, *sorted(inner.head + inner.modifiers)]
                found.end = inner.end
                return self._named(found)
        return found

    def _chosen(self, found: Phrase) -> Phrase | None:
        """Complete "the largest of the three chairs", where the name comes after "of"."""
        if found.modifiers and self.text(found.end) == "of" and self.tag(found.end + 1) & (Tag.DET | Tag.NUM):
            inner = self.phrase(found.end + 1)
            if inner is not None and inner.kind == "noun" and not inner.tag & Tag.RELNOUN:
                inner.start = found.start
                inner.modifiers = found.modifiers + inner.modifiers
                return inner
        return found
