"""Notebook (b): what the matrices of a layer read, and what a wrong answer is told."""

import pytest
import torch
from tiny_models import tiny

from calibbook.teaching import check
from calibbook.teaching.activations import layer_inputs, masks, matrices, norms, norms_picture, similarity_table
from calibprune.methods import METHODS
from calibprune.metrics.masks import mask_iou
from calibprune.schemes import Sparsity

STRENGTHS = torch.tensor([1.0, 2.0, 3.0, 40.0, 5.0])
OTHERS = torch.tensor([1.0, 2.0, 30.0, 2.0, 0.1])
DRAW = torch.Generator().manual_seed(0)
FIRST, AGAIN, SECOND = (torch.rand(8, 30, generator=DRAW) < 0.5 for _ in range(3))


@pytest.fixture(scope="module")
def model():
    return tiny("llama", num_hidden_layers=2)


@pytest.fixture(scope="module")
def inputs(model):
    tokens = torch.randint(0, 64, (3, 16), generator=torch.Generator().manual_seed(1))
    return layer_inputs(model, tokens, 1)


def test_inputs_are_those_that_the_matrices_read(model, inputs):
    weights = matrices(model, 1)
    assert list(inputs) == list(weights)
    assert {name: tuple(x.shape) for name, x in inputs.items()} == {
        name: (3, 16, weight.shape[1]) for name, weight in weights.items()
    }
    assert torch.equal(inputs["self_attn.q_proj"], inputs["self_attn.k_proj"])
    assert not model.model.layers[1].mlp.down_proj._forward_pre_hooks


def test_norms_and_masks_are_those_of_wanda(model, inputs):
    wanda = METHODS["wanda"]
    for name, weight in matrices(model, 1).items():
        total = wanda.accumulate(None, inputs[name])
        assert torch.allclose(norms(inputs[name]), total.sqrt(), rtol=1e-4)
        (solved,) = wanda.solve([weight.clone()], total, Sparsity.of(0.5), None)
        assert torch.equal(masks({name: weight}, inputs)[name], solved.mask)


def test_picture_and_table_say_what_they_show(model, inputs):
    picture = norms_picture({"German": inputs, "Swahili": inputs}, ["self_attn.q_proj", "mlp.down_proj"])
    assert "self_attn.q_proj" in picture.alt and "Swahili" in picture.alt
    mine = masks(matrices(model, 1), inputs)
    assert "0.333" in repr(similarity_table({"the same": (mine, mine)}, "Masks"))


def texts(*strengths: torch.Tensor) -> list[dict[str, torch.Tensor]]:
    """The inputs of the layer on several texts of one token, whose norms are these; those of other matrices differ."""
    others = torch.arange(1.0, 6.0)
    return [{"self_attn.q_proj": one.view(1, 1, -1), "mlp.down_proj": others.view(1, 1, -1)} for one in strengths]


def layer(query: torch.Tensor, key: torch.Tensor, down: torch.Tensor) -> dict[str, torch.Tensor]:
    return {"self_attn.q_proj": query, "self_attn.k_proj": key, "mlp.down_proj": down}


TEXTS = texts(STRENGTHS, torch.tensor([1.0, 2.0, 3.0, 40.1, 5.0]), OTHERS)
GERMAN, DRAWN_AGAIN, SWAHILI = layer(FIRST, FIRST, FIRST), layer(AGAIN, AGAIN, AGAIN), layer(SECOND, AGAIN, SECOND)
PAIR, THREE = [GERMAN, SWAHILI], [GERMAN, DRAWN_AGAIN, SWAHILI]
COMMON = float((FIRST & SECOND).sum() / FIRST.sum())
SHARE = (1 - mask_iou(FIRST, AGAIN)) / (1 - mask_iou(FIRST, SECOND))


@pytest.mark.parametrize(
    ("exercise", "answer", "about"),
    [
        ("b1", 40 / 3, TEXTS),
        ("b1", torch.tensor([40 / 3]), TEXTS),
        ("b1", 13.3, TEXTS),
        ("b3", COMMON, PAIR),
        ("b3", round(COMMON, 3), PAIR),
        ("b3", [COMMON], PAIR),
        ("b4", 4, [STRENGTHS, OTHERS]),
        ("b4", torch.tensor(4), [STRENGTHS, OTHERS]),
        ("b5", SHARE, THREE),
        ("b5", torch.tensor(SHARE), THREE),
        ("b5", float(f"{SHARE:.3g}"), THREE),
    ],
)
def test_right_answers_pass(exercise, answer, about):
    assert check(exercise, answer, *about).right, check(exercise, answer, *about)


@pytest.mark.parametrize(
    ("exercise", "answer", "about", "said"),
    [
        ("b1", 40 / 10.2, TEXTS, "over the mean"),
        ("b1", 40, TEXTS, "over the smallest"),
        ("b1", (40 / 3) ** 2, TEXTS, "with the squares"),
        ("b1", 40.1 / 3, TEXTS, "second draw"),
        ("b1", 30 / 2, TEXTS, "Swahili text"),
        ("b1", 5 / 3, TEXTS, "inputs of mlp.down_proj"),
        ("b1", 3, TEXTS, "half of the inputs"),
        ("b1", 10, TEXTS, "three digits"),
        ("b1", 13, TEXTS, "three digits"),
        ("b3", mask_iou(FIRST, SECOND), PAIR, "falls faster"),
        ("b3", (FIRST & SECOND).float().mean(), PAIR, "share of all weights"),
        ("b3", 100 * COMMON, PAIR, "in percent"),
        ("b3", 1 - COMMON, PAIR, "second mask keeps"),
        ("b3", (FIRST == SECOND).float().mean(), PAIR, "both keep"),
        ("b3", (FIRST & SECOND).sum(), PAIR, "how many weights"),
        ("b3", (FIRST & AGAIN).sum() / FIRST.sum(), PAIR, "self_attn.k_proj; self_attn.q_proj"),
        ("b3", 0.01, PAIR, "Of the weights that the first"),
        ("b3", round(COMMON, 2), PAIR, "three digits"),
        ("b4", 2, [STRENGTHS, OTHERS], "In that direction"),
        ("b4", 3, [STRENGTHS, OTHERS], "strongest inputs win"),
        ("b4", 0, [STRENGTHS, OTHERS], "inputs change more"),
        ("b4", 5, [STRENGTHS, OTHERS], "counted from 0 to 4"),
        ("b5", 100 * SHARE, THREE, "in percent"),
        ("b5", 5, THREE, "One minus"),
        ("b5", mask_iou(FIRST, AGAIN) / mask_iou(FIRST, SECOND), THREE, "agreements"),
        ("b5", 1 / SHARE, THREE, "other way round"),
        ("b5", 1 - mask_iou(FIRST, AGAIN), THREE, "two draws alone"),
        ("b5", (1 - mask_iou(FIRST, AGAIN)) / (1 - mask_iou(AGAIN, SECOND)), THREE, "second draw of German"),
        (
            "b5",
            (FIRST & ~AGAIN).sum() / (FIRST & ~SECOND).sum(),
            THREE,
            "share in common",
        ),
    ],
)
def test_wrong_answers_are_told_why(exercise, answer, about, said):
    found = check(exercise, answer, *about)
    assert not found.right and said in found.words, found


@pytest.mark.parametrize(
    "function", [mask_iou, lambda a, b: (a & b).sum() / (a | b).sum(), lambda a, b: [mask_iou(a, b)]]
)
def test_right_measures_pass(function):
    assert check("b2", function).right


@pytest.mark.parametrize(
    ("function", "said"),
    [
        (lambda a, b: (a == b).float().mean(), "both keep"),
        (lambda a, b: (a & b).sum() / a.sum(), "share of the first mask"),
        (lambda a, b: (a & b).sum() / b.sum(), "share of the second mask"),
        (lambda a, b: (a & b).sum() / (a.sum() + b.sum()), "counted twice"),
        (lambda a, b: 2 * (a & b).sum() / (a.sum() + b.sum()), "Dice"),
        (lambda a, b: 100 * mask_iou(a, b), "in percent"),
        (lambda a, b: 1 - mask_iou(a, b), "one minus it"),
        (lambda a, b: 1 / mask_iou(a, b), "other way round"),
        (lambda a, b: (a & b).float().mean(), "share of all weights"),
        (lambda a, b: (a & b).sum(), "how many weights both"),
        (lambda a, b: 0.9, "How many weights"),
        (lambda a, b: round(mask_iou(a, b), 1), "return it as it is"),
        (lambda a, b: "much", "One number"),
    ],
)
def test_wrong_measures_are_told_why(function, said):
    found = check("b2", function)
    assert not found.right and said in found.words, found
