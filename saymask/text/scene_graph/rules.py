"""Scene graph of a sentence by rules: the built-in parser for machines without a spaCy model.

It gives the structure of the published parse (docs/systems/bqnet.md §2.4): the main target, other things and places,
attributes, pronouns and repetitions, and relations. It goes by meaning where the published rules go by the parser's
tree: the main target is the first thing that a clause is about (not the first that is named: in "when facing the desk,
the chair is on the left" it is the chair), and "closest to", "has", "facing" are relations.
"""

from saymask.text.scene_graph.clauses import Reader
from saymask.text.scene_graph.graph import MAIN, Edge, Kind, Node, SceneGraph, pick, word_spans
from saymask.text.scene_graph.lexicon import EDGES, Tag
from saymask.text.scene_graph.mentions import Mention, Relation
from saymask.text.scene_graph.nouns import default_vocabulary
from saymask.text.scene_graph.vocabulary import Vocabulary

_NEVER_MAIN = frozenset({"wall", "floor"})
_UNSAID = Tag.DET | Tag.CONJ | Tag.COMMA | Tag.STOP
_ANEW = frozenset({"other", "another", "different", "second", "third", "remaining"})
_DEFINITE = frozenset({"the", "this", "that", "these", "those", "its", "their"})


def parse_rules(utterance: str, vocabulary: Vocabulary | None = None) -> SceneGraph:
    """Return the scene graph of a cleaned sentence (`saymask.text.clean.clean_caption`).

    The main target is node 0 and first; without any thing that could be it there is no node 0 and the others are
    numbered from 1. Any text can be parsed: one that names nothing gives a graph without nodes.

    Args:
        utterance: words apart by white space; punctuation that sticks to a word is tolerated.
        vocabulary: noun lists in place of our own; they decide what is an object and what a place. A word that nobody
            knows is an object when it stands where a noun does.
    """
    reader = Reader(utterance)
    reader.read()
    return _Graph(reader, utterance, vocabulary or default_vocabulary()).build()


class _Graph:
    """Makes nodes and edges of what a reader found."""

    def __init__(self, reader: Reader, utterance: str, vocabulary: Vocabulary):
        self.reader = reader
        self.utterance = utterance
        self.vocabulary = vocabulary
        self.spans = word_spans(utterance)
        self.written = [word.strip(EDGES) or word for word in utterance.split()]
        self.kinds: dict[Mention, Kind | None] = {m: self._kind(m) for m in reader.mentions}
        self.main = self._main()
        self.ids: dict[Mention, int] = {}
        self.repeats: list[Mention] = []

    def _kind(self, mention: Mention) -> Kind | None:
        """Return what the noun lists say a mention is; None when it is neither a thing nor a place."""
        phrase = mention.phrase
        if phrase is None or phrase.kind in ("bare", "pronoun") or (phrase.kind == "generic" and phrase.noun == "one"):
            return None
        if phrase.kind == "generic":
            return "Object"
        if self.vocabulary.is_object(phrase.lemma) or self.vocabulary.is_object(phrase.noun):
            return "Object"
        if self.vocabulary.is_scene(phrase.lemma) or self.vocabulary.is_scene(phrase.noun):
            return "Scene"
        return None if phrase.tag else "Object"

    # --- the main target ----------------------------------------------------------------------------------------

    def _main(self) -> Mention | None:
        """Return the first thing that a clause is about, else the first thing that is named."""
        named = [m for m in self.reader.mentions if self.kinds[m] == "Object" and self._noun(m) not in _NEVER_MAIN]
        anchors: set[str] = set()
        about: list[Mention] = []
        for mention in named:
            if mention.role == "anchor":
                anchors.add(self._noun(mention))
            elif mention.role == "predicate" or not (self._definite(mention) and self._noun(mention) in anchors):
                about.append(mention)
        if not about:
            return next(iter(named), None)
        first = about[0]
        if self._generic(first):  # "the object next to the sink is a towel"
            told = (m for m in about[1:] if m.role == "predicate" and not self._generic(m))
            return next((m for m in told if m.root in (self.reader.it, first.root)), first)
        return first

    @staticmethod
    def _noun(mention: Mention) -> str:
        return mention.phrase.noun if mention.phrase is not None else ""

    @staticmethod
    def _generic(mention: Mention) -> bool:
        return mention.phrase is not None and mention.phrase.kind == "generic"

    @staticmethod
    def _definite(mention: Mention) -> bool:
        return mention.phrase is not None and mention.phrase.determiner in _DEFINITE

    def _is_main(self, mention: Mention) -> bool:
        """Return whether a mention that is not the main one means the main target."""
        main = self.main
        if main is None or mention is main:
            return mention is main
        root, it = mention.root, self.reader.it
        if mention is it or root is it or root is main.root:
            return True
        if mention.role == "predicate" and mention.same is not None:
            return self._is_main(mention.same)
        phrase = mention.phrase
        if phrase is None or main.phrase is None or mention.role == "beside":
            return False
        if mention.role == "anchor":
            same = phrase.lemma == main.phrase.lemma or phrase.lemma == main.phrase.noun
            return same and phrase.determiner == "the" and not phrase.modifiers and not self._owned_by_main(mention)
        if phrase.kind != "noun":
            return True  # "the one", "the object", "the second from the left"
        if phrase.noun != main.phrase.noun or phrase.determiner not in _DEFINITE:
            return False
        return not self._contrasts(mention)

    def _owned_by_main(self, mention: Mention) -> bool:
        owner = mention.owner
        return owner is None or self._is_main(owner)

    def _contrasts(self, mention: Mention) -> bool:
        """Return whether a second mention is told from the main one: "the other chair", another colour."""
        reader, main = self.reader, self.main
        assert mention.phrase is not None
        assert main is not None
        if any(reader.text(k) in _ANEW for k in mention.phrase.modifiers):
            return True
        said = {reader.text(k) for k in main.modifiers if reader.tags[k] & Tag.COLOR}
        again = {reader.text(k) for k in mention.phrase.modifiers if reader.tags[k] & Tag.COLOR}
        return bool(said and again) and not said & again

    # --- nodes and edges ----------------------------------------------------------------------------------------

    def build(self) -> SceneGraph:
        """Return the graph."""
        reader = self.reader
        following = 1
        for mention in reader.mentions:
            if mention is self.main:
                self.ids[mention] = MAIN
            elif self._is_main(mention):
                self.ids[mention] = MAIN
                self.repeats.append(mention)
            elif mention.role == "predicate" and mention.same is not None and mention.root in self.ids:
                self.ids[mention] = self.ids[mention.root]
                mention.root.modifiers += mention.modifiers
            elif self.kinds[mention] is not None:
                self.ids[mention] = following
                following += 1
        if self.main is not None:
            self.ids[reader.it] = MAIN
        edges = self._edges()
        others = [m for m in reader.mentions if self.ids.get(m, MAIN) != MAIN and self._names(m)]
        nodes = [self._node(m, self.ids[m]) for m in others]
        if self.main is not None:
            nodes.insert(0, self._main_node(self.main, edges))
        return SceneGraph(self.utterance, tuple(nodes), tuple(edges))

    def _names(self, mention: Mention) -> bool:
        return not (mention.role == "predicate" and mention.same is not None and mention.root in self.ids)

    def _edges(self) -> list[Edge]:
        edges = []
        for relation in self.reader.relations:
            owner, anchor = self.ids.get(relation.owner), self.ids.get(relation.anchor)
            if owner is None or anchor is None or owner == anchor or not relation.words:
                continue
            edges.append(self._edge(relation, owner, anchor))
        return edges

    def _edge(self, relation: Relation, owner: int, anchor: int) -> Edge:
        words = tuple(dict.fromkeys(relation.words))
        text = " ".join(self.written[k] for k in words)
        return Edge(owner, self._target(relation.owner), text, words, anchor, self._target(relation.anchor))

    def _target(self, mention: Mention) -> str:
        if mention.phrase is None or not mention.phrase.head:
            mention = self.main or mention
        return " ".join(self.written[k] for k in mention.phrase.head) if mention.phrase is not None else ""

    def _node(self, mention: Mention, number: int) -> Node:
        phrase = mention.phrase
        kind: Kind | None = self.kinds[mention]
        assert phrase is not None
        assert kind is not None
        modifiers = self._said(mention.modifiers)
        return Node(
            id=number,
            target=self._target(mention),
            lemma=phrase.lemma,
            kind=kind,
            target_words=tuple(phrase.head),
            modifiers=modifiers,
            target_spans=pick(self.spans, phrase.head),
            modifier_spans=pick(self.spans, modifiers),
        )

    def _said(self, words: list[int]) -> tuple[int, ...]:
        return tuple(k for k in sorted(set(words)) if not self.reader.tags[k] & _UNSAID or self._counts(k))

    def _counts(self, k: int) -> bool:
        return bool(self.reader.tags[k] & (Tag.NUM | Tag.PREDET | Tag.ADJ))

    def _main_node(self, main: Mention, edges: list[Edge]) -> Node:
        phrase = main.phrase
        assert phrase is not None
        words = [*main.modifiers, *self.reader.it.modifiers]
        again: list[int] = [k for k in self.reader.pronouns if k > phrase.start]
        for repeat in self.repeats:
            words += repeat.modifiers
            if repeat.phrase is not None and repeat.phrase.start > phrase.start:
                again += repeat.phrase.head
        own = self._said([k for k in words if k not in phrase.head])
        pronouns = tuple(sorted(set(again)))
        related = [k for edge in edges if edge.object_id == MAIN for k in edge.relation_words]
        return Node(
            id=MAIN,
            target=self._target(main),
            lemma=phrase.lemma,
            kind="Object",
            target_words=tuple(phrase.head),
            modifiers=own,
            pronouns=pronouns,
            target_spans=pick(self.spans, phrase.head),
            modifier_spans=pick(self.spans, own),
            pronoun_spans=pick(self.spans, pronouns),
            relation_spans=pick(self.spans, related),
        )
