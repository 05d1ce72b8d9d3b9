"""BQNet: caption clean-up and token maps, scene graphs from given dependency parses, and the noun lists themselves."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch

from saymask.labels.tables import LABEL_TABLE
from saymask.text.clean import PREFIX, clean_caption, model_text
from saymask.text.scene_graph.dependency import Chunk, DependencyParse, Token, scene_graph
from saymask.text.scene_graph.graph import SceneGraph
from saymask.text.scene_graph.vocabulary import Vocabulary, raw_categories, union_sha256
from saymask.text.token_maps import token_map, token_rows
from tests.parity import Check, case, load

SHARED = Path(__file__).resolve().parents[2].parent / "shared"
NOUN_FILE = "noun_vocab.json"


@case("bqnet", "text")
def text(golden: dict[str, Any], path: Path) -> Iterator[Check]:
    for number, caption in enumerate(golden["captions"]):
        source = "scanrefer" if caption["scanrefer"] else "multi3drefer"
        utterance = clean_caption(caption["raw"], source=source)
        yield Check(f"captions[{number}].utterance", utterance, caption["utterance"])
        yield Check(f"captions[{number}].prefixed", PREFIX + utterance, caption["utterance_when_parse_fails"])
        yield Check(f"captions[{number}].model_text", model_text(utterance), caption["model_text"])
    for number, entry in enumerate(golden["token_maps"]):
        # The offsets of the file leave out the special tokens at both ends.
        inner = entry["token_char_offsets_without_special"]
        offsets = torch.tensor([(0, 0), *inner, (0, 0)], dtype=torch.int64)
        spans = [tuple(span) for span in entry["spans"]]
        rows = np.zeros((len(spans), len(offsets)), np.float32)
        for row, column, value in entry["nonzero"]:
            rows[int(row), int(column)] = value
        summed = np.zeros(len(offsets), np.float32)
        for column, value in entry["summed"].items():
            summed[int(column)] = value
        yield Check(f"token_maps[{number}].rows", token_rows(spans, offsets), rows, atol=1e-6)
        yield Check(f"token_maps[{number}].summed", token_map(spans, offsets), summed, atol=1e-6)


def dependency_parse(entry: dict[str, Any]) -> DependencyParse:
    """Return the parse that a golden entry gives by hand."""
    tokens = (Token(t["text"], t["lemma"], t["tag"], t["dep"], t["head"]) for t in entry["tokens"])
    return DependencyParse(entry["text"], tuple(tokens), tuple(Chunk(*chunk) for chunk in entry["noun_chunks"]))


def official_form(graph: SceneGraph, tokens: list[str]) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Return nodes and edges under the official names, as the golden files hold them."""

    def mask(words: tuple[int, ...]) -> list[int]:
        return [int(i in words) for i in range(len(tokens))]

    def spans(pairs: tuple[tuple[int, int], ...]) -> list[list[int]]:
        return [list(pair) for pair in pairs]

    nodes = [
        {
            "node_id": node.id,
            "target": node.target,
            "lemma_head": node.lemma,
            "node_type": node.kind,
            "target_mask": mask(node.target_words),
            "mod_text": [tokens[word] for word in node.modifiers],
            "mod_mask": mask(node.modifiers),
            "pron_mask": mask(node.pronouns),
            "target_char_span": spans(node.target_spans),
            "mod_char_span": spans(node.modifier_spans),
            "pron_char_span": spans(node.pronoun_spans),
            "rel_char_span": spans(node.relation_spans),
        }
        for node in graph.nodes
    ]
    edges = [
        {
            "obj_idx": edge.object_id,
            "object": edge.object,
            "relation": edge.relation,
            "relation_idx": list(edge.relation_words),
            "sub_idx": edge.subject_id,
            "subject": edge.subject,
        }
        for edge in graph.edges
    ]
    return nodes, edges


def find(name: str, *folders: Path) -> Path | None:
    """Return the first file `name` below `folders`."""
    return next((path for folder in folders if folder.is_dir() for path in sorted(folder.rglob(name))), None)


def named_vocabulary(entries: list[dict[str, Any]]) -> Vocabulary:
    """Return lists of just the nouns that the nodes of `entries` name: a weaker case, but the rules are the same."""
    names: dict[str, set[str]] = {"Object": set(), "Scene": set()}
    for node in (node for entry in entries for node in entry["nodes"]):
        names[node["node_type"]] |= {node["lemma_head"], node["lemma_head"].split()[-1]}
    return Vocabulary(frozenset(names["Object"]), frozenset(), frozenset(names["Scene"]))


def golden_vocabulary(path: Path, entries: list[dict[str, Any]]) -> Vocabulary:
    """Return the noun lists that the golden graphs were made with, as far as they are on this machine."""
    nouns = find(NOUN_FILE, path.parent, SHARED / "golden" / "bqnet")
    if nouns is None:
        print(f"{path.name}: {NOUN_FILE} is absent, the nouns of the expected nodes stand for it", file=sys.stderr)
        return named_vocabulary(entries)
    lists = {key: value for key, value in load(nouns).items() if isinstance(value, list)}
    table = find(LABEL_TABLE, path.parent, SHARED / "data")
    if table is not None:
        categories = raw_categories(table)
    else:
        print(f"{path.name}: {LABEL_TABLE} is absent, ScanNet200's class names stand for its names", file=sys.stderr)
        classes = load(Path(__file__).resolve().parents[2] / "saymask/labels/classes/scannet200.json")["classes"]
        categories = frozenset(entry["name"] for entry in classes)
    objects = (categories - frozenset(lists["scannet_raw_category_excluded"])) | frozenset(lists["rio_names"])
    return Vocabulary(objects, frozenset(lists["object_names_extra"]), frozenset(lists["scene_nouns"]))


@case("bqnet", "scene_graph")
def graphs(golden: dict[str, Any], path: Path) -> Iterator[Check]:
    vocabulary = golden_vocabulary(path, golden["json"])
    for number, entry in enumerate(golden["json"]):
        graph = scene_graph(dependency_parse(entry), vocabulary, strict=True)
        nodes, edges = official_form(graph, [token["text"] for token in entry["tokens"]])
        for what, got, expected in (("nodes", nodes, entry["nodes"]), ("edges", edges, entry["edges"])):
            yield Check(f"[{number}].{what}: count", len(got), len(expected))
            for place, (found, wanted) in enumerate(zip(got, expected)):
                yield Check(f"[{number}].{what}[{place}]: names", sorted(found), sorted(wanted))
                for name, value in wanted.items():
                    yield Check(f"[{number}].{what}[{place}].{name}", found[name], value)


@case("bqnet", "noun_vocab")
def noun_lists(golden: dict[str, Any], path: Path) -> Iterator[Check]:
    rio, excluded = frozenset(golden["rio_names"]), frozenset(golden["scannet_raw_category_excluded"])
    for name in ("rio_names", "object_names_extra", "scene_nouns", "scannet_raw_category_excluded"):
        yield Check(f"{name}: each name once", len(set(golden[name])), len(golden[name]))
    table = find(LABEL_TABLE, path.parent, SHARED / "data")
    if table is None:
        print(f"{path.name}: {LABEL_TABLE} is absent, the union is not checked", file=sys.stderr)
        return
    union = (raw_categories(table) - excluded) | rio
    yield Check("union_count", len(union), golden["union_count"])
    yield Check("union_sha256", union_sha256(union), golden["union_sha256"])
