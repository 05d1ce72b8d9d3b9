"""Dependency parse to scene graph: the official rules over plain tokens and noun chunks (docs/systems/bqnet.md §2.4).

Whatever parser made the tokens (`spacy_backend`, or a person by hand), the rules see only spaCy's labels: basic form,
fine tag, dependency, head, and the noun chunks. The numbers in the comments are the steps of
docs/systems/bqnet.md §2.4c.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Literal

from saymask.errors import InputError
from saymask.text.scene_graph.graph import MAIN, Edge, Node, SceneGraph, pick, word_spans
from saymask.text.scene_graph.vocabulary import Vocabulary
from saymask.text.token_maps import Span

PRONOUNS = frozenset({"this", "it", "which", "there", "these", "those"})
_SUBJECTS = frozenset({"nsubj", "nsubjpass", "attr"})
_VERBS = frozenset({"VBN", "VBZ", "VBG"})
_NO_MODIFIERS = frozenset({"VBZ", "DT", "CC"})
_NOT_MAIN = frozenset({"wall", "floor"})
_MOST_STEPS = 10
_LONGEST_RUN = 9


@dataclass(frozen=True)
class Token:
    """One word of a parsed sentence, with spaCy's attributes."""

    text: str
    lemma: str
    tag: str
    """Fine part of speech (Penn Treebank: NN, VBZ, DT, ...)."""
    dep: str
    """Dependency label; ROOT for the head of a sentence."""
    head: int
    """Index of the token that it depends on; its own for ROOT."""


@dataclass(frozen=True)
class Chunk:
    """A noun chunk: tokens [start, end) around the noun `root`."""

    start: int
    end: int
    root: int


@dataclass(frozen=True)
class DependencyParse:
    """A parsed sentence. Tokens should be the white-space words of `text`, one to one."""

    text: str
    tokens: tuple[Token, ...]
    chunks: tuple[Chunk, ...]

    def __post_init__(self) -> None:
        count = len(self.tokens)
        for index, token in enumerate(self.tokens):
            if not 0 <= token.head < count:
                raise InputError(f"token {index} ({token.text!r}): expected a head in 0..{count - 1}, got {token.head}")
        self._check_tree()
        for chunk in self.chunks:
            if not 0 <= chunk.start <= chunk.root < chunk.end <= count:
                raise InputError(f"noun chunk: expected 0 <= start <= root < end <= {count}, got {chunk}")

    def _check_tree(self) -> None:
        rooted: set[int] = set()
        for token in range(len(self.tokens)):
            path: set[int] = set()
            while token not in rooted and self.tokens[token].head != token:
                if token in path:
                    raise InputError(f"token {token} ({self.tokens[token].text!r}): expected a tree, it heads itself")
                path.add(token)
                token = self.tokens[token].head
            rooted |= path | {token}


@dataclass(eq=False)
class _Entity:
    chunk: Chunk
    words: list[int]
    kind: Literal["Object", "Scene", "Pron"] = "Object"
    modifiers: list[int] = field(default_factory=list)
    id: int = -1
    repeat: bool = False

    @property
    def root(self) -> int:
        return self.chunk.root


def scene_graph(parse: DependencyParse, vocabulary: Vocabulary, *, strict: bool = False) -> SceneGraph:
    """Return the scene graph of a parsed sentence, by the official rules (docs/systems/bqnet.md §2.4).

    A token that is not the white-space word of the same number has no characters in the text: its span is left out, or
    with `strict` InputError is raised (the official code crashes later, docs/systems/bqnet.md §2.4c, step 7).
    """
    return _Rules(parse, vocabulary, strict).graph()


class _Rules:
    def __init__(self, parse: DependencyParse, vocabulary: Vocabulary, strict: bool) -> None:
        self.parse = parse
        self.tokens = parse.tokens
        self.vocabulary = vocabulary
        self.strict = strict
        self.children: list[list[int]] = [[] for _ in self.tokens]
        for index, token in enumerate(self.tokens):
            if token.head != index:
                self.children[token.head].append(index)
        self.used = {index for index, token in enumerate(self.tokens) if token.dep == "punct"}
        self.entities = self.typed_entities()
        self.main = self.number_entities()
        self.roots = {entity.root: entity for entity in self.entities}

    def graph(self) -> SceneGraph:
        edges = tuple(edge for entity in self.entities for edge in self.edges_of(entity))
        for entity in self.entities:
            entity.modifiers += self.more_modifiers(entity)
        return SceneGraph(self.parse.text, self.nodes(edges), edges)

    def text(self, words: Iterable[int]) -> str:
        return " ".join(self.tokens[word].text for word in words)

    def lemma(self, words: Iterable[int]) -> str:
        return " ".join(self.tokens[word].lemma for word in words)

    # 1, 2: entities and their types -------------------------------------------------------------------------------

    def typed_entities(self) -> list[_Entity]:
        entities = []
        for chunk in self.parse.chunks:
            entity = self.entity(chunk)
            if self.has_type(entity):
                entities.append(entity)
                self.used.update(range(chunk.start, chunk.end))
        return entities

    def entity(self, chunk: Chunk) -> _Entity:
        words, modifiers = [chunk.root], []
        for child in reversed(self.children[chunk.root]):
            dep = self.tokens[child].dep
            if dep == "compound":
                words.insert(0, child)
                modifiers += self.children_with(child, {"amod", "compound"})
            elif dep in {"det", "nummod", "amod"}:
                modifiers.append(child)
                if dep == "amod":
                    modifiers += self.children_with(child, {"amod"})
        return _Entity(chunk, words, modifiers=modifiers)

    def children_with(self, index: int, deps: set[str]) -> list[int]:
        return [child for child in self.children[index] if self.tokens[child].dep in deps]

    def has_type(self, entity: _Entity) -> bool:
        """Set the entity's kind; say whether it has one."""
        root = self.tokens[entity.root].lemma
        names = [root, self.lemma(entity.words), *(self.tokens[word].lemma for word in entity.words)]
        before = entity.root - 1
        if any(self.vocabulary.is_object(name) for name in names):
            entity.kind = "Object"
        elif self.vocabulary.is_scene(root):
            entity.kind = "Scene"
        elif root in PRONOUNS:
            entity.kind = "Pron"
        elif root == "top" and before >= 0 and self.tokens[before].text == "counter":
            entity.kind = "Object"
            entity.words.insert(0, before)
        else:
            return False
        return True

    # 3: the main entity and the ids -------------------------------------------------------------------------------

    def number_entities(self) -> _Entity | None:
        """Order and number the entities; return the main one."""
        place = next((i for i, entity in enumerate(self.entities) if self.can_be_main(entity)), None)
        main = None
        if place is not None:
            main = self.entities[place]
            main.id = MAIN
            before = [entity for entity in self.entities[:place] if entity.kind != "Pron"]
            self.entities = [main, *before, *self.entities[place + 1 :]]
        count = 0
        for index, entity in enumerate(self.entities):
            if entity is main:
                continue
            if main is not None and self.repeats(entity, main):
                entity.id, entity.repeat = MAIN, True
            elif entity.kind == "Pron" and index > 0:
                entity.id = MAIN
            else:
                count += 1
                entity.id = count
        return main

    def can_be_main(self, entity: _Entity) -> bool:
        return entity.kind == "Object" and self.lemma(entity.words) not in _NOT_MAIN

    def repeats(self, entity: _Entity, main: _Entity) -> bool:
        before = entity.root - 1
        return (
            entity.kind == "Object"
            and self.tokens[entity.root].text == self.tokens[main.root].text
            and before >= 0
            and self.tokens[before].text == "the"
        )

    # 4: edges -----------------------------------------------------------------------------------------------------

    def edges_of(self, subject: _Entity) -> Iterator[Edge]:
        """Yield the edges in which `subject` is what something else is related to."""
        kind, end = self.anchor(subject)
        if kind == "entity":
            words = self.walk(subject, end, with_end=False)
            if words:
                yield self.edge(self.roots[end], subject, words)
        elif kind in {"root", "verb"}:
            objects = [
                entity
                for entity in self.entities
                if entity is not subject
                and self.tokens[entity.root].head == end
                and self.tokens[entity.root].dep in _SUBJECTS
            ]
            for entity in objects:
                yield self.edge(entity, subject, self.walk(subject, end))
            # "... . placed between two chairs": the sentence has no subject, the first entity is meant.
            if kind == "root" and not objects and self.is_loose_participle(end):
                yield self.edge(self.entities[0], subject, self.walk(subject, end))

    def anchor(self, subject: _Entity) -> tuple[Literal["entity", "verb", "root", "nothing"], int]:
        """Climb from `subject`; return what was found and its token."""
        token = subject.root
        if self.tokens[token].dep == "conj" and self.tokens[token].head not in self.roots:
            return "nothing", -1
        for _ in range(_MOST_STEPS):
            dep, head = self.tokens[token].dep, self.tokens[token].head
            if head in self.roots and dep != "conj":
                return "entity", head
            if self.tokens[head].dep == "conj" and self.tokens[head].tag == "VBZ":
                return "verb", head
            if dep == "ROOT" or (dep == "ccomp" and self.tokens[head].dep == "ROOT"):
                return "root", token
            token = head
        return "nothing", -1

    def is_loose_participle(self, root: int) -> bool:
        return root > 0 and self.tokens[root - 1].head != root and self.tokens[root].tag == "VBN"

    def walk(self, subject: _Entity, end: int, *, with_end: bool = True) -> tuple[int, ...]:
        """Return the relation's words between `subject` and the token `end` above it, and mark them used."""
        token = self.tokens[subject.root].head
        if self.tokens[subject.root].dep == "conj":
            token = self.tokens[token].head
        words: list[int] = []
        first = True
        while with_end or token != end:
            if first:
                words = [token]
            elif self.tokens[token].tag not in _VERBS:
                run = self.run_before(token) if token != end else []
                words = [*run, token, *words]
            elif token == end:
                self.used.add(token)
            first = False
            # A head above `end` is possible for a second part of "and": there the walk ends at the sentence's root.
            if token in (end, self.tokens[token].head):
                break
            token = self.tokens[token].head
        self.used.update(words)
        return tuple(words)

    def run_before(self, token: int) -> list[int]:
        start = token
        while start > 0 and token - start < _LONGEST_RUN and self.tokens[start - 1].head == token:
            start -= 1
        return list(range(start, token))

    def edge(self, thing: _Entity, subject: _Entity, words: tuple[int, ...]) -> Edge:
        return Edge(
            object_id=thing.id,
            object=self.text(thing.words),
            relation=self.text(words),
            relation_words=words,
            subject_id=subject.id,
            subject=self.text(subject.words),
        )

    # 5: more modifiers --------------------------------------------------------------------------------------------

    def more_modifiers(self, entity: _Entity) -> list[int]:
        found: list[int] = []
        head, after = self.tokens[entity.root].head, entity.root + 1
        if self.tokens[head].dep == "ROOT":
            found = self.unused_below(head)
        if after < len(self.tokens) and self.tokens[after].dep == "prep" and self.tokens[after].head == entity.root:
            found = self.unused_below(after)
        return sorted(found) if len(found) > 1 else []

    def unused_below(self, top: int) -> list[int]:
        found = [] if top in self.used else [top]
        waiting = [top]
        while waiting:
            for child in self.children[waiting.pop()]:
                if child not in self.used and self.tokens[child].tag != "EX":
                    found.append(child)
                    waiting.append(child)
        return found

    # 6, 7: nodes and their characters -----------------------------------------------------------------------------

    def nodes(self, edges: tuple[Edge, ...]) -> tuple[Node, ...]:
        spans = self.token_spans()
        nodes = []
        if self.main is None:
            words = self.named_without_chunk()
            if words:
                nodes.append(self.node(MAIN, "Object", words, [], [], edges, spans))
        for entity in self.entities:
            if entity.kind == "Pron" or entity.repeat:
                continue
            modifiers, pronouns = self.kept(entity), []
            if entity is self.main:
                for other in self.entities[1:]:
                    if other.id == MAIN:
                        pronouns += other.words
                        modifiers += self.kept(other)
            nodes.append(
                self.node(entity.id, entity.kind, entity.words, modifiers, pronouns, () if nodes else edges, spans)
            )
        return tuple(nodes)

    def node(
        self,
        number: int,
        kind: Literal["Object", "Scene"],
        words: list[int],
        modifiers: list[int],
        pronouns: list[int],
        edges: tuple[Edge, ...],
        spans: list[Span],
    ) -> Node:
        relation = [word for edge in edges if edge.object_id == MAIN for word in edge.relation_words]
        return Node(
            id=number,
            target=self.text(words),
            lemma=self.lemma(words),
            kind=kind,
            target_words=tuple(words),
            modifiers=tuple(modifiers),
            pronouns=tuple(pronouns),
            target_spans=pick(spans, words),
            modifier_spans=pick(spans, modifiers),
            pronoun_spans=pick(spans, pronouns),
            relation_spans=pick(spans, relation) if number == MAIN else (),
        )

    def kept(self, entity: _Entity) -> list[int]:
        return [word for word in entity.modifiers if self.tokens[word].tag not in _NO_MODIFIERS]

    def named_without_chunk(self) -> list[int]:
        """Return the first trash can, urinal or cardboard, which the official parser often takes for a verb."""
        for index, token in enumerate(self.tokens):
            if token.text in {"urinal", "cardboard"}:
                return [index]
            if token.text == "trash" and index + 1 < len(self.tokens) and self.tokens[index + 1].text == "can":
                return [index, index + 1]
        return []

    def token_spans(self) -> list[Span]:
        """Return the characters of every token; an empty span where the token is not the word of its number."""
        words = self.parse.text.split()
        spans = word_spans(self.parse.text)
        found: list[Span] = []
        for index, token in enumerate(self.tokens):
            if index < len(words) and token.text == words[index]:
                found.append(spans[index])
            elif self.strict:
                word = repr(words[index]) if index < len(words) else "nothing"
                raise InputError(
                    f"expected the parse's tokens to be the words of {self.parse.text!r}; token {index} is "
                    f"{token.text!r}, the word is {word}; separate words and marks by blanks or use strict=False"
                )
            else:
                found.append((0, 0))
        return found
