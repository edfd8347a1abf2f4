"""Perplexity, SNR and pruning error against the formulas, on the states that transformers itself gives."""

import math

import numpy as np
import pytest
import reference
import torch
from tiny_models import CONFIGS, some_tokens, tiny

from calibprune.errors import ModelError, ParameterError
from calibprune.metrics.fidelity import (
    Perplexity,
    Trace,
    fidelity,
    measure_perplexities,
    measure_perplexity,
    perplexity,
)
from calibprune.walk.layerwise import prune


def pair(family: str, dtype: torch.dtype = torch.float32):
    """A model and its pruned copy."""
    dense, pruned = tiny(family, dtype=dtype), tiny(family, dtype=dtype)
    prune(pruned, some_tokens(seed=9), "wanda", 0.5)
    return dense, pruned


def flat(states) -> list[np.ndarray]:
    return [state.flatten(0, 1).float().numpy() for state in states]


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("family", CONFIGS)
def test_equations_1_and_2_on_every_layer(family, dtype, small_batches):
    dense, pruned = pair(family, dtype)
    tokens = some_tokens(samples=5)
    measured = fidelity(dense, pruned, tokens)
    before, after = (flat(reference.layer_states(model, tokens)) for model in (dense, pruned))
    close = {"rel": 1e-4 if dtype == torch.float32 else 0.03}  # bfloat16 rounds differently in batches of another size
    assert measured.pruning_error == pytest.approx(
        [reference.pruning_error(h, g) for h, g in zip(before, after, strict=True)], **close
    )
    assert measured.snr_db == pytest.approx(
        [reference.snr_db(h, g) for h, g in zip(before, after, strict=True)],
        abs=1e-3 if dtype == torch.float32 else 0.15,
    )
    assert measured.model_snr_db == pytest.approx(np.mean(measured.snr_db))
    assert measured.model_pruning_error == pytest.approx(np.mean(measured.pruning_error))


@pytest.mark.parametrize("family", CONFIGS)
def test_perplexity_is_that_of_the_models_own_loss(family, small_batches):
    model, tokens = tiny(family), some_tokens(samples=5)
    means = [float(model(window[None], labels=window[None]).loss) for window in tokens]
    measured = measure_perplexity(model, tokens)
    assert measured.value == pytest.approx(math.exp(np.mean(means)), rel=1e-4)
    assert perplexity(model, tokens) == measured.value
    assert measured.n == 5 * 23
    # delta method: the standard error of exp(mean) is exp(mean) times that of the mean
    assert measured.stderr == pytest.approx(measured.value * np.std(means, ddof=1) / math.sqrt(5), rel=1e-3)


def test_fidelity_gives_the_same_perplexity(small_batches):
    dense, pruned = pair("gemma3_text")
    tokens = some_tokens(samples=5)
    alone, beside = measure_perplexity(pruned, tokens), fidelity(dense, pruned, tokens)
    assert (beside.perplexity, beside.stderr, beside.n) == (
        pytest.approx(alone.value, rel=1e-6),
        pytest.approx(alone.stderr, rel=1e-4),
        alone.n,
    )
    assert beside.perplexity != pytest.approx(perplexity(dense, tokens), rel=1e-2)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("family", CONFIGS)
def test_texts_measured_together_are_as_measured_one_by_one(family, dtype, small_batches):
    """Of two lengths, in turns, with odd numbers of windows, so that batches hold windows of two texts."""
    model = tiny(family, dtype=dtype)
    sizes = [(3, 24), (2, 16), (1, 24), (5, 16), (3, 24)]
    texts = [some_tokens(samples, length, seed) for seed, (samples, length) in enumerate(sizes)]
    read = []
    together = measure_perplexities(model, texts, read.append)
    alone = [measure_perplexity(model, tokens) for tokens in texts]
    close = {"rel": 1e-5 if dtype == torch.float32 else 0.01, "nan_ok": True}
    assert [found.value for found in together] == pytest.approx([found.value for found in alone], **close)
    assert [found.stderr for found in together] == pytest.approx(
        [found.stderr for found in alone], rel=0.05, nan_ok=True
    )
    assert [found.n for found in together] == [samples * (length - 1) for samples, length in sizes]
    assert len({round(found.value, 3) for found in alone}) == len(texts), "texts could be mixed up unnoticed"
    assert sum(read) == sum(tokens.numel() for tokens in texts)
    assert max(read) == 2 * 24
    assert measure_perplexities(model, []) == []


def test_a_trace_takes_as_many_bytes_as_foreseen():
    model, tokens = tiny("gemma3_text", dtype=torch.bfloat16), some_tokens()
    kept = [states for batch in Trace.of(model, tokens).outputs for states in batch]
    assert sum(states.nbytes for states in kept) == Trace.nbytes_of(model, tokens)


def test_a_trace_of_the_dense_model_gives_the_same_numbers(small_batches):
    dense, pruned = pair("gemma3_text")
    tokens = some_tokens(samples=5)
    trace = Trace.of(dense, tokens)
    assert fidelity(trace, pruned, tokens) == fidelity(dense, pruned, tokens)
    assert fidelity(trace, pruned, tokens) == fidelity(dense, pruned, tokens), "a trace can be read again"


def test_a_model_that_was_not_pruned_has_no_error():
    measured = fidelity(tiny("llama"), tiny("llama"), some_tokens())
    assert measured.snr_db == [math.inf] * 3
    assert measured.pruning_error == [0.0] * 3


def test_neither_model_changes():
    dense, pruned = pair("cohere")
    before = [parameter.clone() for model in (dense, pruned) for parameter in model.parameters()]
    fidelity(dense, pruned, some_tokens())
    assert all(map(torch.equal, before, [parameter for model in (dense, pruned) for parameter in model.parameters()]))


def test_heavier_pruning_is_worse():
    dense, tokens, measured = tiny("llama"), some_tokens(), []
    for sparsity in (0.2, 0.5, 0.8):
        pruned = tiny("llama")
        prune(pruned, tokens, "wanda", sparsity)
        measured.append(fidelity(dense, pruned, tokens))
    snr, error = [m.model_snr_db for m in measured], [m.model_pruning_error for m in measured]
    assert snr == sorted(snr, reverse=True)
    assert error == sorted(error)


def test_one_window_has_no_standard_error():
    measured = Perplexity.of(torch.full((1, 10), 2.0))
    assert measured.value == pytest.approx(math.exp(2))
    assert math.isnan(measured.stderr)
    assert measured.n == 10


def test_a_uniform_model_has_the_vocabulary_as_perplexity():
    model = tiny("llama")
    model.lm_head.weight.data.zero_()
    assert perplexity(model, some_tokens()) == pytest.approx(260, rel=1e-5)


def test_a_dense_side_that_does_not_fit_is_refused(small_batches):
    dense, pruned = pair("llama")
    tokens = some_tokens(samples=4)
    for other in (
        tiny("llama", num_hidden_layers=2),
        tiny("llama", hidden_size=64),
        Trace.of(tiny("llama", hidden_size=64), tokens),
        tiny("llama", num_hidden_layers=4),
        Trace.of(dense, some_tokens(samples=4, length=12)),
    ):
        with pytest.raises(ParameterError, match=r"^fidelity: the dense side"):
            fidelity(other, pruned, tokens)
    with pytest.raises(ParameterError, match=r"^fidelity: the dense side"):
        fidelity(Trace.of(dense, some_tokens(samples=2)), pruned, tokens)


@pytest.mark.parametrize("shape", [(2, 65), (24,), (0, 8), (3, 1)])
def test_windows_that_cannot_be_measured(shape):
    with pytest.raises(ParameterError, match="window") as caught:
        perplexity(tiny("llama"), torch.zeros(shape, dtype=torch.long))
    assert "\n" not in str(caught.value)


def test_models_in_training_mode_are_measured_as_in_evaluation_mode():
    dense, pruned = (tiny("llama", seed, attention_dropout=0.5) for seed in (0, 1))
    expected, trace = fidelity(dense, pruned, some_tokens()), Trace.of(dense, some_tokens()).outputs
    dense.train()
    pruned.model.layers[1].train()
    modes = [module.training for model in (dense, pruned) for module in model.modules()]
    assert fidelity(dense, pruned, some_tokens()) == expected
    assert perplexity(pruned, some_tokens()) == expected.perplexity
    assert all(map(torch.equal, Trace.of(dense, some_tokens()).outputs[0], trace[0]))
    assert [module.training for model in (dense, pruned) for module in model.modules()] == modes


@pytest.mark.parametrize("factor", [1e6, 1e30, math.inf])
def test_a_perplexity_that_is_no_number_is_refused(factor):
    model = tiny("llama")
    model.lm_head.weight.data.mul_(factor)
    for measure in (lambda: perplexity(model, some_tokens()), lambda: fidelity(tiny("llama"), model, some_tokens())):
        with pytest.raises(ModelError, match=r"^perplexity: the mean loss is \S+ nats a token") as caught:
            measure()
        assert "\n" not in str(caught.value)


def test_a_large_perplexity_is_a_number():
    assert Perplexity.of(torch.full((2, 10), 709.0)).value == math.exp(709)


@pytest.mark.parametrize("value", [0.0, math.nan, 3e38])
def test_layers_that_cannot_be_compared_are_refused(value):
    dense, pruned = tiny("llama"), tiny("llama")
    for parameter in (dense.model.embed_tokens.weight, dense.model.layers[0].mlp.down_proj.weight):
        parameter.data.fill_(value)
    dense.model.layers[0].self_attn.o_proj.weight.data.fill_(value)
    with pytest.raises(ModelError, match=r"^layers\.0: its outputs are all zero, infinite or undefined"):
        fidelity(dense, pruned, some_tokens())


def test_a_trace_of_other_windows_of_the_same_shape():
    dense, tokens = tiny("llama"), some_tokens()
    with pytest.raises(ParameterError, match="the dense side is a trace of other windows"):
        fidelity(Trace.of(dense, tokens), dense, tokens.flip(0))


def test_a_dense_model_of_another_architecture():
    with pytest.raises(ParameterError, match="the dense model is a qwen2 and the pruned one a llama"):
        fidelity(tiny("qwen2"), tiny("llama"), some_tokens())
