"""Verbs and attributes of a referring sentence: what they are said of ("is white and stands in the corner")."""

from saymask.text.scene_graph.lexicon import Tag
from saymask.text.scene_graph.mentions import Mention
from saymask.text.scene_graph.relations import RelationReader

_ASIDE = frozenset({"for", "out", "at", "up", "down"})
_TURNED = frozenset({"facing", "leaning", "hanging", "pointing"})


class PredicateReader(RelationReader):
    """Reads verbs, "made of wood", and attributes that are not in front of a noun."""

    def _participle_owner(self, i: int) -> Mention | None:
        """Return what a participle is said of: "the lamp standing on the desk"."""
        if self.view:
            return self.subject
        if self.verb_end == i or self.last is None or self.last_end != i:
            return self.head
        if self.last.role == "anchor" and (self.text(i) in _TURNED or self._in_room(self.last)):
            return self.flat
        return self.last

    def _verb(self, i: int) -> int:
        """Read a verb; 0 when the word is none here."""
        tag = self.tags[i]
        if tag & Tag.MADE and self.text(i + 1) in ("of", "out", "from", "with", "up"):
            return self._made(i)
        if self.view and tag & Tag.VIEW:
            self.pending, self.pending_owner = [i], self.subject
            return i + 1
        if tag & Tag.SEEK and (not tag & Tag.BE or self.subject is None):
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
        elif self.verb_end != i:
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
        while self._stuff(end) or self._more(end, k):
            end += 1
            if self.ends(end - 1):
                break
        self._attribute([w for w in range(i, end) if not self.tags[w] & Tag.CONJ], owner)
        return end

    def _stuff(self, i: int) -> bool:
        return bool(self.tag(i) & (Tag.ADJ | Tag.NOUN)) and not self.tag(i) & Tag.PREP

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
            graded = tag & Tag.ADV and self.tag(k + 1) & Tag.ADJ
            plain = tag & (Tag.ADJ | Tag.NUM) and self.phrase(k) is None
            if (plain or graded) and not self._relation_run(k):
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
