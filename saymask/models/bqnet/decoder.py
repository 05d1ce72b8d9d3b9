"""The decoder of BQNet: a sentence's queries, chosen among a scan's seeds, become masks over its superpoints.

Source: docs/systems/bqnet.md §3.2, §3.3, §3.4, §3.6 (released code).
"""

from dataclasses import dataclass, replace
from typing import cast

from torch import Tensor, nn

from saymask.errors import InputError
from saymask.models.bqnet.attention import CrossAttention, GatedSelfAttention, SelfAttention, distance_weights
from saymask.models.bqnet.cfnet_modules import Focus, foreground_belief
from saymask.models.bqnet.config import BQNetConfig
from saymask.models.bqnet.heads import Heads, blocked_by
from saymask.models.bqnet.outputs import LayerOutputs, Outputs
from saymask.models.bqnet.query_selection import QuerySelection, choose, per_sentence
from saymask.nn.blocks import FeedForward, additive_mask, full_precision, mlp
from saymask.nn.folded_attention import autocast_precision
from saymask.nn.positional_encoding import PositionalEncoding


class ScanInput(nn.Module):
    """Superpoint features as the decoder's memory: 3D features and, where the config names them, 2D features."""

    def __init__(self, config: BQNetConfig) -> None:
        super().__init__()
        width, wide = config.width, config.image_width
        self.points = nn.Sequential(nn.Linear(config.widths[0], width), nn.LayerNorm(width), nn.ReLU())
        self.image = mlp(wide, wide // 2, width, width) if config.image_features else None
        self.norm = nn.LayerNorm(width)

    def forward(self, features: Tensor, image: Tensor | None) -> Tensor:
        """Return [B, S, D] for features [B, S, C] and, exactly if the config has them, 2D features [B, S, Ci]."""
        x = self.points(features)
        if (self.image is None) != (image is None):
            expected = "no 2D features" if self.image is None else "2D features"
            raise InputError(
                f"this model takes {expected}, got {'none' if image is None else f'an array {list(image.shape)}'}"
            )
        if self.image is not None:
            x = x + self.image(image)
        return self.norm(x)


@dataclass(frozen=True, eq=False)
class State:
    """Input and output of a layer."""

    queries: Tensor  # float [U, Q, D]
    text: Tensor  # float [U, L, D]
    scan: Tensor  # float [U, S, D]; [1, S, D] before the first layer where all sentences share a scan
    looks: Tensor | None = (
        None  # float [U, H, Q, S] attention of the queries to the superpoints, where it was asked for
    )


@dataclass(frozen=True, eq=False)
class Views:
    """Biases of the attentions, named after who is looked at: added to the scores, -inf where attention is barred."""

    text: Tensor  # float [U, 1, L] at the text
    scan: Tensor | None  # float [U or 1, 1, S], the text at the superpoints; None = at all
    focus: Tensor  # float [U, Q, S] or [U, H, Q, S], the queries at the superpoints
    queries: Tensor | None  # float [U, Q, Q], the queries at each other; None = at all


class DecoderLayer(nn.Module):
    """One layer (docs/systems/bqnet.md §3.4, steps 2-11); every attention is named after who looks at whom."""

    def __init__(self, config: BQNetConfig) -> None:
        super().__init__()
        width, heads, hidden = config.width, config.heads, config.ffn_width
        self.text_self = SelfAttention(width, heads)
        self.text_scan = CrossAttention(width, heads)
        self.scan_text = CrossAttention(width, heads)
        self.text_ffn = FeedForward(width, hidden)
        self.scan_ffn = FeedForward(width, hidden)
        self.query_scan = CrossAttention(width, heads)
        self.query_text = CrossAttention(width, heads)
        self.query_self = SelfAttention(width, heads)
        self.query_space = SelfAttention(width, heads)
        self.query_ffn = FeedForward(width, hidden)

    def forward(
        self,
        state: State,
        views: Views,
        nearness: Tensor,  # float [U, Q, Q] distance weights
        shared_norm: nn.Module,  # the norm after `query_self` that all layers share
        *,
        keep_looks: bool = False,
    ) -> State:
        """Return the updated queries, text and superpoint features."""
        text, _ = self.text_scan(self.text_self(state.text, views.text), state.scan, views.scan)
        scan, _ = self.scan_text(state.scan, text, views.text)
        text, scan = self.text_ffn(text), self.scan_ffn(scan)
        queries, looks = self.query_scan(state.queries, scan, views.focus, looks=keep_looks)
        queries, _ = self.query_text(queries, text, views.text)
        queries = self.query_self(queries, views.queries)
        queries = shared_norm(state.queries + queries)
        queries = self.query_ffn(self.query_space(queries, views.queries, nearness))
        return State(queries, text, scan, looks)


class Decoder(nn.Module):
    """Sentences and superpoint features → masks.

    What does not depend on the sentence is computed once per scan; scans are copied to their sentences only where they
    meet the text, and not at all where a batch has one scan.
    """

    def __init__(self, config: BQNetConfig) -> None:
        super().__init__()
        width = config.width
        self.config = config
        self.text_input = nn.Sequential(nn.Linear(config.text_width, width), nn.LayerNorm(width))
        self.scan_input = ScanInput(config)
        self.mask_features = mlp(config.widths[0], width, width)
        self.places = PositionalEncoding(width, "scan", "mask") if config.position_encoding else None
        self.seed_context = GatedSelfAttention(width, config.heads)
        self.selection = QuerySelection(width)
        self.query_input = mlp(width, width, width, width)
        self.layers = nn.ModuleList(DecoderLayer(config) for _ in range(config.layers))
        self.shared_norm = nn.LayerNorm(width)
        self.offset_norm = nn.LayerNorm(width)
        self.offset = mlp(width, width, width, 3)
        self.heads = Heads(width, config.projection)
        narrowing = config.feature_refinement or config.spatial_constraint or config.query_focusing
        self.focus = nn.ModuleList(Focus(config, i) for i in range(config.layers)) if narrowing else None

    def forward(
        self,
        features: Tensor,  # float [B, S, C] superpoint features of the backbone
        positions: Tensor,  # float [B, S, 3], metres
        padding: Tensor,  # bool [B, S], True = not a superpoint
        seeds: Tensor,  # int64 [B, F] superpoint of each seed
        tokens: Tensor,  # float [U, L, Dt] token features
        text_mask: Tensor,  # bool [U, L], True = a token
        scene: Tensor,  # int64 [U] scan of each sentence
        image: Tensor | None = None,  # float [B, S, Ci] 2D features, zero at padding
        *,
        auxiliary: bool | None = None,
    ) -> Outputs:
        """Return the final answer and, with `auxiliary` (default: in training), those of all stages before it.

        Mask logits over padding are 0. Raises InputError for arrays that do not fit each other.
        """
        _check(features, positions, padding, seeds, tokens, text_mask, scene)
        auxiliary = self.training if auxiliary is None else auxiliary
        pad = padding if bool(padding.any()) else None

        text = self.text_input(tokens)
        scan, mask_features = self.scan_input(features, image), self.mask_features(features)
        positions = full_precision(positions)
        if self.places is not None:
            scan_places, mask_places = self.places(positions)
            scan, mask_features = scan + scan_places, mask_features + mask_places
        candidates = self.seed_context(_rows(scan, seeds))
        seed_scores = self.selection(candidates, text, text_mask, scene)
        chosen = choose(seed_scores, self.config.queries)
        queries = _rows(per_sentence(self.query_input(candidates), scene), chosen)
        where = _rows(per_sentence(_rows(positions, seeds), scene), chosen)
        if pad is not None:  # as in the published model: padding is zero
            mask_features, scan = (x.masked_fill(pad[..., None], 0) for x in (mask_features, scan))
        if len(features) > 1:  # one scan is left as it is: [1, S, D] stands for all sentences
            mask_features, scan, positions = mask_features[scene], scan[scene], positions[scene]
            pad = None if pad is None else pad[scene]
        text_bias = additive_mask(~text_mask)[:, None]
        scan_bias = None if pad is None else additive_mask(pad)[:, None]

        stages: list[LayerOutputs] = []
        state = State(queries, text, autocast_precision(scan))
        for index in range(len(self.layers) + 1):
            layer = self.layers[index] if index < len(self.layers) else None
            normed = self.heads.norm(state.queries)
            masks = self.heads.masks(normed, mask_features)
            if auxiliary or layer is None:
                stages.append(self.heads.stage(state.queries, normed, masks, state.text))
            if layer is None:
                break
            focus_bias, query_bias = additive_mask(blocked_by(masks, pad)), None
            if self.focus is not None:
                state, focus_bias, query_bias = self._focused(index, state, masks, focus_bias, where, positions)
            state = layer(
                state,
                Views(text_bias, scan_bias, focus_bias, query_bias),
                distance_weights(where, self.config.distance_decay),
                self.shared_norm,
                keep_looks=self.config.feature_refinement and index + 1 < len(self.layers),
            )
            where = where + full_precision(self.offset(self.offset_norm(state.queries)))
        return Outputs(
            stages=tuple(stages),
            chosen=chosen,
            seed_scores=seed_scores,
            padding=per_sentence(padding, scene),
            positions=where,
        )

    def _focused(
        self, index: int, state: State, masks: Tensor, focus_bias: Tensor, where: Tensor, positions: Tensor
    ) -> tuple[State, Tensor, Tensor | None]:
        """Return the state, the bias towards superpoints and that among queries, as CFNet changes them."""
        focus = cast(nn.ModuleList, self.focus)[index]
        assert isinstance(focus, Focus)
        if focus.refinement is not None:
            belief = foreground_belief(masks, self.heads.indicators(state.queries))
            scan, key_bias = focus.refinement(state.scan, state.queries, state.looks, belief)
            state, focus_bias = replace(state, scan=scan), focus_bias + key_bias.to(focus_bias.dtype)
        if focus.constraint is not None:
            focus_bias = focus.constraint(where, positions).to(focus_bias.dtype) + focus_bias[:, None]
        return state, focus_bias, focus.query_bias(where)


def _rows(values: Tensor, index: Tensor) -> Tensor:
    """Return values [A, N, D] at index int64 [A, M]: [A, M, D]."""
    return values.gather(1, index[..., None].expand(-1, -1, values.shape[-1]))


def _check(
    features: Tensor, positions: Tensor, padding: Tensor, seeds: Tensor, tokens: Tensor, mask: Tensor, scene: Tensor
) -> None:
    scans, sentences = features.shape[:2], tokens.shape[:2]
    for name, value, expected in (
        ("positions", positions, [*scans, 3]),
        ("padding", padding, [*scans]),
        ("seeds", seeds, [scans[0], seeds.shape[-1]]),
        ("text_mask", mask, [*sentences]),
        ("scene", scene, [sentences[0]]),
    ):
        if list(value.shape) != expected:
            raise InputError(f"decoder: expected {name} {expected}, got {list(value.shape)}")
    if seeds.shape[1] == 0 or sentences[0] == 0:
        raise InputError(f"decoder: expected seeds and sentences, got {seeds.shape[1]} seeds, {sentences[0]} sentences")
