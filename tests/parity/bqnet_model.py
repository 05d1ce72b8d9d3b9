"""BQNet: points → the whole model → losses, gradient norms, and what 3D-RES and 3D-GRES read off the answers."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import torch
from torch import Tensor, nn

from saymask.data.annotations import Annotation
from saymask.geometry.sampling import farthest_point_sampling
from saymask.geometry.voxelize import first_appearance
from saymask.metrics.protocols import select_points
from saymask.metrics.referring import ReferMetric
from saymask.models.bqnet import BQNet, BQNetConfig
from saymask.models.bqnet import model as bqnet_model
from saymask.models.bqnet.batch import Batch, Expression, Sample, collate, truth
from saymask.models.bqnet.losses import losses
from saymask.models.bqnet.model import Encoded
from saymask.models.bqnet.official import decoder_names, load_official
from saymask.models.bqnet.outputs import Outputs, Truth
from saymask.nn.superpoints import superpoint_scan
from saymask.text import TextFeatures
from saymask.text.token_maps import Spans
from tests.parity import Check, case, fill_state, placed
from tests.parity.backbones import official_shapes
from tests.parity.bqnet_decoder import IMAGES, NEAR, tensor
from tests.parity.bqnet_losses import CLOSE, MAPS, numbers, value_checks

FEATURES = "d(loss)/d(sp_feats)"
"""Name in the file of the gradient where the official one stops: before the U-Net."""
HALF = {"atol": 1e-4, "rtol": 1e-3}
"""For probabilities, which the file keeps in half precision."""


def shapes(model: BQNet) -> dict[str, tuple[int, ...]]:
    """Return official key → official shape of all that `model` takes from an official checkpoint."""
    own = model.decoder.state_dict()
    decoder = {key: tuple(own[name].shape) for name, key in decoder_names(model.decoder).items()}
    return official_shapes(model.backbone.unet) | decoder


def filled_model() -> BQNet:
    """Return the published BQNet with golden weights, loaded through the importer, in eval mode."""
    model = BQNet(BQNetConfig(image_features=IMAGES, repeated_masks=True), text_encoder=nn.Identity())
    load_official(model, fill_state(shapes(model)))
    return placed(model.eval())


def sentence_numbers(data: dict[str, Any]) -> list[int]:
    """Return the sentences that the file numbers, in the order of its batch."""
    return numbers(data, r"object_ids_(\d+)")


def batch_of(data: dict[str, Any]) -> Batch:
    """Return the file's points and sentences as the model's batch: voxels, superpoints, seeds, truth."""
    scene, starts = data["points_batch_xyz"][:, 0], data["batch_offsets"]
    left = iter(sentence_numbers(data))
    seeds = data["out_fps_seed"].shape[1]
    samples = []
    for b, count in enumerate(data["scenes_len"].tolist()):
        points, rows = scene == b, slice(starts[b], starts[b + 1])
        feats = data["feats6"][points]
        scan = superpoint_scan(data["points_batch_xyz"][points, 1:], feats, feats[:, 3:], data["superpoints"][points])
        sentences = tuple(
            Expression(
                f"sentence {n}",
                Spans(),
                tuple(data[f"object_ids_{n}"].tolist()),
                data[f"sp_ref_mask_{n}"],
                data[f"gt_spmask_{n}"] > 0,
            )
            for n in (next(left) for _ in range(count))
        )
        chosen = farthest_point_sampling(scan.positions, seeds, compat=True)
        image = data["feats_2d_int8"][rows].astype(np.float32) / 32
        samples.append(Sample(scan, chosen, image, data["sp_ins_labels"][rows].astype(np.int64), sentences))
    return placed(collate(samples))


def given_text(data: dict[str, Any]) -> TextFeatures:
    """Return the text encoder's output that the file brings."""
    tokens, mask = tensor(data["lang_feats_f16"]), tensor(data["lang_masks"]).bool()
    return TextFeatures(tokens, mask, tokens[:, 0], placed(torch.zeros(*mask.shape, 2, dtype=torch.int64)))


def given_truth(data: dict[str, Any], batch: Batch, text: TextFeatures) -> Truth:
    """Return the batch's truth with the file's token maps: they are drawn at random, no words have such maps."""
    ours = [MAPS.index(name) for name in ("positive", "modify", "pron", "rel", "other")]
    maps = [tensor(data[f"token_maps_{n}"])[ours, : text.mask.shape[1]] for n in sentence_numbers(data)]
    return replace(truth(batch, text), maps=torch.stack(maps))


@case("bqnet", "model_two_scenes", "model_one_scene_full_queries")
def whole_model(data: dict[str, Any], path: Path) -> Iterator[Check]:
    yield from model_checks(filled_model(), data)


def model_checks(model: BQNet, data: dict[str, Any]) -> Iterator[Check]:
    """Compare `model`, a published BQNet with golden weights, with a model case."""
    model.config = replace(model.config, repeated_masks=True)
    model.decoder.config = replace(model.decoder.config, queries=data["out_sample_inds"].shape[1])
    batch, text = batch_of(data), given_text(data)
    cells, voxel, _ = first_appearance(data["points_batch_xyz"])
    yield Check("voxel_coords", cells, data["voxel_coords"])
    yield Check("p2v_map", voxel, data["p2v_map"])
    yield Check("out_fps_seed", batch.seeds[batch.scene], data["out_fps_seed"])

    shape = data["spatial_shape"].tolist()
    even = all(extent % 16 == 0 for extent in shape)  # else the official U-Net drops the last plane of a level
    with torch.no_grad():
        pyramid = model.backbone.sites(batch.scans, shape)
        features = model.backbone(batch.scans, pyramid)
        yield Check("out_sp_feats", features, data["out_sp_feats"], **NEAR)
        if even:
            got = model.encode_batch(batch).features[~batch.scans.padding]
            yield Check("out_sp_feats (encode_batch)", got, data["out_sp_feats"], **NEAR)
    features.requires_grad_()
    encoded = Encoded(batch, pyramid, batch.scans.pad(features))
    model.decoder.train()  # all stages; nothing in the decoder behaves differently in training
    outputs = model(encoded, text, batch.scene)
    yield from output_checks(data, outputs)

    known = given_truth(data, batch, text)
    yield from value_checks(data, outputs, known)
    terms = losses(outputs, known, model.config)
    torch.stack(list(terms.values())).sum().backward()
    gradients = {key: model.decoder.get_parameter(name).grad for name, key in trained(model).items()}
    gradients[FEATURES] = features.grad
    for key, norm in zip(data["grad_names"].tolist(), data["grad_norms"]):
        grad = gradients[key]
        got = 0.0 if grad is None else float(grad.norm())
        # -1: the official graph does not reach this tensor; ours may reach it with zeros
        yield Check(f"gradient {key}", got, 0.0 if norm == -1 else norm, rtol=1e-3)
    if even:
        with torch.no_grad(), mock.patch.object(bqnet_model, "truth", return_value=known), text_given(model, text):
            total = sum(model.losses(batch).values())
        official = data["loss_values"][data["loss_names"].tolist().index("loss")]
        yield Check("loss (Model.losses)", total, official, **CLOSE)
    model.eval()
    if any(name.startswith("pred_") for name in data):
        with torch.no_grad():
            yield from answer_checks(model, data, encoded, text)


def trained(model: BQNet) -> dict[str, str]:
    """Return the decoder's parameter names → official keys."""
    parameters = dict(model.decoder.named_parameters())
    return {name: key for name, key in decoder_names(model.decoder).items() if name in parameters}


def text_given(model: BQNet, text: TextFeatures) -> Any:
    """Return a patch under which every call for text features gets `text`."""

    def features(texts: Sequence[str]) -> TextFeatures:
        assert len(texts) == len(text)
        return text

    return mock.patch.object(model, "text", features)


def rows_of(ours: Tensor, theirs: Tensor) -> Tensor:
    """Return int64 [U, Q]: our row of each of their queries, both given as seeds int64 [U, Q]."""
    return ours.argsort(1).gather(1, theirs.argsort(1).argsort(1))


def output_checks(data: dict[str, Any], outputs: Outputs) -> Iterator[Check]:
    """Compare the outputs; queries whose seed scores nearly tie may stand in another order, theirs is used."""
    theirs, ours = tensor(data["out_sample_inds"]), outputs.chosen
    yield Check("out_sample_inds", ours.sort(1).values, theirs.sort(1).values)
    scores, expected = outputs.seed_scores, tensor(data["out_ref_scores"])
    yield Check("out_ref_scores", scores, expected, **NEAR)
    yield Check("out_ref_scores in order", scores.gather(1, ours), expected.gather(1, theirs), **NEAR)
    order = rows_of(ours, theirs)

    def rows(values: Tensor) -> Tensor:
        index = order.reshape(*order.shape, *[1] * (values.ndim - 2))
        return values.gather(1, index.expand(-1, -1, *values.shape[2:]))

    final = outputs.final
    yield Check("out_masks", rows(final.masks), data["out_masks"], **NEAR)
    yield Check("out_scores", rows(final.scores[..., None]), data["out_scores"], **NEAR)
    yield Check("out_indis", rows(final.indicators), data["out_indis"], **NEAR)
    yield Check("out_proj_queries", rows(final.queries), data["out_proj_queries"], **NEAR)
    yield Check("out_proj_tokens", final.tokens, data["out_proj_tokens"], **NEAR)
    early = outputs.stages[:-1]
    yield Check("out_aux_indis", torch.stack([rows(s.indicators) for s in early]), data["out_aux_indis"], **NEAR)
    yield Check(
        "out_aux_scores", torch.stack([rows(s.scores[..., None]) for s in early]), data["out_aux_scores"], **NEAR
    )
    for number in numbers(data, r"out_aux(\d+)_masks"):
        yield Check(f"out_aux{number}_masks", rows(early[number].masks), data[f"out_aux{number}_masks"], **NEAR)


def answer_checks(model: BQNet, data: dict[str, Any], encoded: Encoded, text: TextFeatures) -> Iterator[Check]:
    """Compare what the protocols read off the heads by hand, and what `refer` answers."""
    sentences = sentence_numbers(data)
    index = encoded.batch.scans.index[0]  # the file has one scene
    outputs = model(encoded, text, encoded.batch.scene)
    final, order = outputs.final, rows_of(outputs.chosen, tensor(data["out_sample_inds"]))
    with text_given(model, text):
        texts = [f"the thing number {n}" for n in sentences]
        one, many = (model.refer(encoded, texts, count=count) for count in ("one", "any"))

    def ious(masks: list[np.ndarray], target: str) -> list[float]:
        metric = ReferMetric("3dres")
        for n, mask in zip(sentences, masks):
            metric.update(mask, data[f"{target}_{n}"] > 0, Annotation("", (), n, "", ""))
        return [metric.records["", n].iou for n in sentences]

    def probabilities(masks: list[np.ndarray]) -> Tensor:
        return torch.from_numpy(np.stack(masks)[:, index]).sigmoid()

    indicator = final.indicators.softmax(-1)[..., 1].gather(1, order)
    yield Check("pred_res_indicator", indicator, data["pred_res_indicator"], **NEAR)
    surest = [p.logits[0].cpu().numpy() for p in one]
    yield Check("pred_res_pmask_prob", probabilities(surest), data["pred_res_pmask_prob_f16"], **HALF)
    yield Check("pred_res_piou", ious([m[index] for m in surest], "gt_pmask"), data["pred_res_piou"], **CLOSE)
    yield Check("pred_res_spiou", ious(surest, "gt_spmask"), data["pred_res_spiou"], **CLOSE)

    selected = final.indicators[..., 1] > final.indicators[..., 0]
    yield Check("pred_gres_indicator", selected.gather(1, order), data["pred_gres_indicator"])
    unions = [m[s].cpu().numpy().max(0, initial=-np.inf) for m, s in zip(final.masks, selected)]
    written = [u if np.isfinite(u).all() else np.zeros_like(u) for u in unions]  # nothing selected: officially 0
    yield Check("pred_gres_pmask_prob", probabilities(written), data["pred_gres_pmask_prob_f16"], **HALF)
    yield Check("pred_gres_piou", ious([u[index] for u in unions], "gt_pmask"), data["pred_gres_piou"], **CLOSE)
    yield Check("pred_gres_spiou", ious(unions, "gt_spmask"), data["pred_gres_spiou"], **CLOSE)
    yield Check("pred_gres_nt_label", [len(p.logits) == 0 for p in many], data["pred_gres_nt_label"])
    for n, prediction, union in zip(sentences, many, unions):
        found = (prediction.logits > 0).any(0).cpu().numpy()[index]
        yield Check(f"objects of sentence {n} together", found, select_points(union[index], "3dgres"))
