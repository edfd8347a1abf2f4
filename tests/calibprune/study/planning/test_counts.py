"""Counted operations and bytes: against numbers worked out by hand, loops, a model's own weights, and torch's
counter.
"""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from tiny_models import some_tokens, tiny
from torch.utils.flop_counter import FlopCounterMode

from calibprune.kernels.gram import add_gram
from calibprune.models.families import decoder, linears
from calibprune.study.planning import counts
from calibprune.study.planning.counts import (
    GEMMA_3_270M,
    LLAMA_3_8B,
    Count,
    Peak,
    Shape,
    factor,
    forward,
    gram,
    norms,
    selection,
    stages,
    steps,
    sweep,
)
from calibprune.walk.inputs import capture
from calibprune.walk.layerwise import collect

TOKENS = 128 * 8192
TINY = Shape("tiny", 3, 32, 32, 16, 48)


def multiply_adds(count: Count) -> float:
    return count.operations / 2


def test_two_passes_of_the_papers_protocol_are_about_twice_16_peta_operations():
    assert forward(LLAMA_3_8B, 128, 8192).operations == pytest.approx(1.6e16, rel=0.06)


def test_the_first_pass_saves_the_last_matrix_of_each_layer():
    saved = forward(LLAMA_3_8B, 128, 8192).operations - forward(LLAMA_3_8B, 128, 8192, last_matrix=False).operations
    assert saved == 2 * TOKENS * 32 * 14336 * 4096


def test_four_whole_grams_are_8_6_peta_multiply_adds_and_a_triangle_half_of_that():
    widths = [4096, 4096, 4096, 14336]
    assert [n for n, _ in LLAMA_3_8B.groups] == widths
    whole = 32 * sum(multiply_adds(gram(n, TOKENS, symmetric=False)) for n in widths)
    assert whole == pytest.approx(8.6e15, rel=0.01)
    assert 32 * sum(multiply_adds(gram(n, TOKENS)) for n in widths) == pytest.approx(whole / 2, rel=1e-3)


def test_the_sweep_is_7_5e11_multiply_adds_a_layer():
    assert sum(multiply_adds(sweep(sum(rows), n)) for n, rows in LLAMA_3_8B.groups) == pytest.approx(7.5e11, rel=0.01)


def test_the_weights_of_llama_3_8b():
    # the whole model without embeddings, output layer and norms
    assert LLAMA_3_8B.parameters == 8_030_261_248 - 2 * 128_256 * 4096 - 65 * 4096


def test_the_factor_takes_half_the_operations_of_three_steps():
    assert factor(14336, three_steps=True).operations == 2 * factor(14336).operations
    assert factor(3).operations == 18  # n³/3 twice


@given(st.integers(1, 5), st.integers(1, 40), st.integers(1, 16))
def test_the_sweep_counts_what_a_loop_over_columns_and_blocks_does(rows, columns, block):
    operations = moved = 0
    for start in range(0, columns, block):
        stop = min(start + block, columns)
        for column in range(start, stop):
            operations += 2 * rows * (columns - column - 1)
        moved += 2 * 4 * rows * (columns - stop)
    triangle = 4 * columns * (columns + 1) // 2
    assert sweep(rows, columns, block) == Count(float32=operations, bytes=moved + 4 * rows * columns + triangle)


@given(st.integers(1, 50), st.integers(1, 50))
def test_two_triangles_share_the_diagonal(columns, tokens):
    triangle, whole, diagonal = gram(columns, tokens), gram(columns, tokens, symmetric=False), norms(columns, tokens)
    assert 2 * triangle.operations == whole.operations + diagonal.operations


def test_the_shape_of_a_model_is_that_of_its_weights_and_of_what_they_read():
    model = tiny("llama")
    assert TINY.parameters == sum(linear.weight.numel() for layer in model.model.layers for _, linear in linears(layer))
    layer = model.model.layers[0]
    found = collect(layer, 0, capture(model, some_tokens()), add_gram)
    components = dict(linears(layer))
    assert TINY.groups == [(len(total), [components[name].out_features for name in names]) for total, names in found]


def test_a_pass_is_what_torch_counts_but_for_the_half_of_attention_that_the_mask_hides():
    model, samples, length = tiny("llama", attn_implementation="eager"), 3, 24
    with FlopCounterMode(display=False) as counter:
        decoder(model)(input_ids=some_tokens(samples, length), use_cache=False)
    counted = sum(
        sum(ops.values())
        for name, ops in counter.get_flop_counts().items()
        if name.count(".") == 2 and ".layers." in name
    )
    hidden = TINY.layers * samples * length * (length - (length + 1) / 2) * 4 * TINY.queries
    assert counted == forward(TINY, samples, length).operations + hidden


@pytest.mark.gemma
def test_the_shape_of_gemma(gemma):
    model, _ = gemma
    layers = model.model.layers
    assert len(layers) == GEMMA_3_270M.layers
    assert [tuple(linear.weight.shape) for _, linear in linears(layers[0])] == [
        (rows, n) for n, matrices in GEMMA_3_270M.groups for rows in matrices
    ]


def test_no_step_is_faster_than_its_arithmetic_or_its_traffic():
    peak = Peak("made up", sixteen_bit=100, float32=10, memory=50)
    assert Count(sixteen_bit=1000, float32=20, bytes=100).seconds(peak) == 12
    assert Count(sixteen_bit=1000, bytes=5000).seconds(peak) == 100


@pytest.mark.parametrize("method", ["wanda", "sparsegpt", "gptq"])
def test_the_parts_of_a_run_are_its_steps(method):
    step = steps(LLAMA_3_8B, 128, 8192)
    statistic = [counts.SQUARES] if method == "wanda" else [counts.GRAMS]
    solve = [counts.SELECTION] if method == "wanda" else [counts.FACTORS, counts.SWEEPS]
    expected = Count.sum(step[name] for name in [counts.FIRST, counts.SECOND, *statistic, *solve])
    assert Count.sum(stages(LLAMA_3_8B, 128, 8192, method).values()) == pytest.approx(expected)


def test_the_second_pass_leaves_out_the_last_layer_and_bytes_are_those_of_weights_and_states():
    one = Shape("one", 1, 8, 8, 4, 16)
    assert steps(one, 2, 3)[counts.SECOND] == Count(0, 0, 0)
    assert forward(one, 2, 3).bytes == 2 * one.parameters + 2 * 2 * 6 * 8
    assert selection(4, 8).bytes == 2 * torch.empty(4, 8, dtype=torch.bfloat16).nbytes
