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


@pytest.mark.parametrize(
    ("exercise", "answer", "about", "said"),
    [
        ("b1", 40 / 10.2, [STRENGTHS], "over the mean"),
        ("b1", 40, [STRENGTHS], "over the smallest"),
        ("b1", 3, [STRENGTHS], "half of the inputs"),
        ("b1", 10, [STRENGTHS], "three digits"),
        ("b3", mask_iou(FIRST, SECOND), [FIRST, SECOND], "falls faster"),
        ("b3", (FIRST & SECOND).float().mean(), [FIRST, SECOND], "share of all weights"),
        ("b3", 100 * (FIRST & SECOND).sum() / FIRST.sum(), [FIRST, SECOND], "in percent"),
        ("b3", 0.01, [FIRST, SECOND], "Of the weights that the first"),
        ("b4", 2, [STRENGTHS, OTHERS], "In that direction"),
        ("b4", 3, [STRENGTHS, OTHERS], "strongest inputs win"),
        ("b4", 0, [STRENGTHS, OTHERS], "inputs change more"),
        ("b4", 5, [STRENGTHS, OTHERS], "counted from 0 to 4"),
        (
            "b5",
            100 * (1 - mask_iou(FIRST, AGAIN)) / (1 - mask_iou(FIRST, SECOND)),
            [FIRST, AGAIN, SECOND],
            "in percent",
        ),
        ("b5", 5, [FIRST, AGAIN, SECOND], "One minus"),
        ("b5", mask_iou(FIRST, AGAIN) / mask_iou(FIRST, SECOND), [FIRST, AGAIN, SECOND], "agreements"),
    ],
)
def test_wrong_answers_are_told_why(exercise, answer, about, said):
    found = check(exercise, answer, *about)
    assert not found.right and said in found.words, found


@pytest.mark.parametrize(
    ("function", "said"),
    [
        (lambda a, b: (a == b).float().mean(), "both keep"),
        (lambda a, b: (a & b).sum() / a.sum(), "share of one mask"),
        (lambda a, b: (a & b).sum() / (a.sum() + b.sum()), "counted twice"),
        (lambda a, b: 0.9, "How many weights"),
        (lambda a, b: round(mask_iou(a, b), 1), "three digits"),
        (lambda a, b: "much", "One number"),
    ],
)
def test_wrong_measures_are_told_why(function, said):
    found = check("b2", function)
    assert not found.right and said in found.words, found
