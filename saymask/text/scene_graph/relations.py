"""Relations of a referring sentence: which words say one, what it is said of, and of what it is said.

"right next to", "left of", "farthest away from", "on the left hand side of" are found by what their words can be, not
from a list of phrases. Viewpoints ("when you are facing the desk") are relations of the thing they help to find.
"""

from saymask.text.scene_graph.chunks import Phrase
from saymask.text.scene_graph.lexicon import Tag
from saymask.text.scene_graph.mentions import Clause, Mention

_LINKS = ("to", "from", "than", "of", "with")
_STEPS = ("away", "up", "down", "off", "over", "out", "apart")
_SHAPED_BY = frozenset({"in", "of", "with", "has", "have", "having", "had", "without", "features", "featuring"})
_VIEW_NOUNS = frozenset({"view", "perspective", "viewpoint", "standpoint", "point of view", "vantage point"})
_NEAREST = frozenset({"with", "without", "where", "than"})


class RelationReader(Clause):
    """Reads relation words, viewpoints, and the phrase or pronoun that follows them."""

    def _relation_run(self, i: int) -> list[int]:
        """Return the words from i on that say a relation: "right next to", "left of", "farthest away from"."""
        if self.tag(i) & Tag.PREDET and (self.text(i + 1) == "of" or self.tag(i + 1) & Tag.DET):
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

    # --- viewpoints ---------------------------------------------------------------------------------------------

    def _starts_view(self, i: int) -> bool:
        """Return whether a viewpoint begins: "when facing", "as one looks", "while sitting"."""
        tag = self.tag(i)
        if tag & Tag.WHEN:
            return True
        after = self.tag(i + 1)
        begins = self.last is None and self.subject is None and not (self.view or self.speaker or self.pending)
        if begins and tag & Tag.VIEW and self.text(i).endswith("ing"):
            return self.text(i + 1) != "for"  # "facing the door , it is"
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
        i += not self.tags[i] & Tag.VIEW
        while self.tag(i) & (Tag.SPEAKER | Tag.BE | Tag.AUX) or self.text(i) == "one":
            if self.tag(i) & Tag.VIEW or self.words[i - 1].stop:
                break
            i += 1
        return i

    # --- owners and objects -------------------------------------------------------------------------------------

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
            if last.role != "anchor" or self.text(start) == "of":
                return last
            describes = self.text(start) in _NEAREST or any(self.tags[k] & Tag.NEAR for k in words)
            return last if describes and not self._in_room(last) else self.flat
        if self.verb_end == start or self.flat is None:
            return self.head
        return self.flat

    def _object(self, phrase: Phrase) -> int:
        """Read the phrase that relation words wait for."""
        last_word = self.text(self.pending[-1])
        follows = self.text(phrase.end)
        if phrase.lemma in _VIEW_NOUNS and last_word in ("from", "in", "at"):
            self.pending = []
            self._view(phrase.start)
            return phrase.end + (follows == "of")
        relational = phrase.tag & (Tag.RELNOUN | Tag.PART | Tag.DIRECTION)
        if relational and follows == "of" and not self.ends(phrase.end - 1) and phrase.end + 1 < self.size:
            self.pending += range(phrase.start, phrase.end + 1)
            return phrase.end + 1
        links = {self.text(k) for k in self.pending}
        if phrase.tag & (Tag.PART | Tag.SHAPING) and links <= _SHAPED_BY and phrase.determiner != "the":
            words = [k for k in self.pending if not self._finite(k)]
            self._attribute([*words, *phrase.modifiers, *phrase.head], self.pending_owner)
            self.pending, self.part_owner = [], self.pending_owner
            return phrase.end
        mention = Mention(phrase, modifiers=list(phrase.modifiers))
        words, self.pending = self.pending, []
        return self._relate(self.pending_owner, words, mention)

    def _relate(self, owner: Mention | None, words: list[int], mention: Mention) -> int:
        """Write down a relation; without an owner it waits for the subject."""
        phrase = mention.phrase
        assert phrase is not None
        mention.role, mention.owner = "anchor", owner
        self.part_owner = None
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
        if not (self.text(given[0]) == "of" and owner is not None and owner.role == "anchor"):
            self.flat, self.flat_words = owner, given
        self._set_last(mention)
        self.copula = False
        return phrase.end

    def _object_pronoun(self, i: int) -> int:
        """Read "to the left of it": the main target, unless that is what is being placed."""
        words, self.pending = self.pending, []
        owner = self.pending_owner
        if self.view:  # "when facing it": the anchor, or what is looked for when there is none
            if not self.anchored:
                self.pronouns.append(i)
            return i + 1
        if self.fronted and owner is self.subject and not self.touching and self.last is not self.it:
            self._record(owner or self.it, words, self.fronted[-1][1])  # "facing the desk , it is to the left of it"
            return i + 1
        carried = self.last if self.touching and self.last is not None and self.last.role == "anchor" else None
        if carried is not None and self.flat is not None and self._carries(self.flat_words):
            self._record(carried, words, self.flat)  # "a desk with a printer on it"
            if self.flat is self.it or self.flat.root in (self.it, self.first):
                self.pronouns.append(i)
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
