"""Counted activations against plain hooks, LAPE against closed forms, and the published selection of language-specific
neurons.
"""

import math
from contextlib import ExitStack

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from tiny_models import CONFIGS, some_tokens, tiny

from calibbook.shared.statistics import relabelling_p_value, target_advantage
from calibprune.errors import ModelError, ParameterError
from calibprune.metrics.fidelity import Trace, fidelity, measure_perplexity
from calibprune.metrics.neurons import Activations, counting, groups, language_specific, lape, survival
from calibprune.models.families import decoder
from calibprune.walk.layerwise import prune


def plainly(model, tokens, batch: int = 1) -> tuple[torch.Tensor, torch.Tensor]:
    """Counts and Σ|output| [layers, neurons] from the gate projections' outputs in a pass of transformers' own."""
    layers = decoder(model).layers
    outputs: list[list[torch.Tensor]] = [[] for _ in layers]
    with ExitStack() as hooks, torch.no_grad():
        for layer, kept in zip(layers, outputs, strict=True):
            act = layer.mlp.act_fn
            hook = layer.mlp.gate_proj.register_forward_hook(
                lambda _, __, gate, act=act, kept=kept: kept.append(act(gate).flatten(0, 1).double())
            )
            hooks.callback(hook.remove)
        for windows in tokens.split(batch):
            decoder(model)(input_ids=windows, use_cache=False)
    everything = torch.stack([torch.cat(kept) for kept in outputs])
    return (everything > 0).sum(dim=1), everything.abs().sum(dim=1)


def pruned_copy(family: str, **options):
    model = tiny(family, **options)
    prune(model, some_tokens(seed=9), "wanda", 0.5)
    return model


@pytest.mark.parametrize("family", CONFIGS)
def test_counts_in_the_fidelity_pass_are_those_of_a_plain_hook(family, small_batches):
    dense, pruned, tokens = tiny(family), pruned_copy(family), some_tokens(samples=5)
    with counting(pruned) as found:
        fidelity(dense, pruned, tokens)
    counts, sums = plainly(pruned, tokens)
    assert torch.equal(found.counts, counts)
    assert torch.allclose(found.sums, sums, rtol=1e-5)
    assert found.tokens.tolist() == [tokens.numel()] * len(decoder(pruned).layers)
    assert 0 < counts.sum() < counts.numel() * tokens.numel()
    for measured, expected in ((found.probabilities, counts / tokens.numel()), (found.mean_abs, sums / tokens.numel())):
        assert (measured.dtype, measured.shape) == (torch.float32, counts.shape)
        assert torch.allclose(measured, expected.float(), rtol=1e-5)


@pytest.mark.parametrize("family", ["gemma3_text", "llama"])
def test_counts_in_16_bits_in_every_pass(family, small_batches):
    """Nothing but rounding may differ: the counts are those of the same outputs."""
    model, tokens = tiny(family, dtype=torch.bfloat16), some_tokens(samples=6)
    with counting(model) as alone:
        measure_perplexity(model, tokens)
    with counting(model) as traced:
        Trace.of(model, tokens)
    assert torch.equal(alone.counts, traced.counts)
    counts, sums = plainly(model, tokens, batch=2)
    moved = (alone.counts - counts).abs()
    assert moved.sum() <= 0.01 * counts.sum(), (
        "attention and gates round differently here, so that a few outputs change sign"
    )
    assert moved.max() <= 8
    assert torch.allclose(alone.sums, sums, rtol=0.05)


def test_the_numbers_do_not_change_by_being_watched():
    dense, pruned, tokens = tiny("gemma3_text"), pruned_copy("gemma3_text"), some_tokens()
    plain = fidelity(dense, pruned, tokens)
    with counting(pruned):
        assert fidelity(dense, pruned, tokens) == plain


def test_only_the_given_model_is_counted_and_only_inside():
    dense, pruned, tokens = tiny("llama"), pruned_copy("llama"), some_tokens()
    with counting(dense) as of_dense, counting(pruned) as of_pruned:
        fidelity(dense, pruned, tokens)
    assert torch.equal(of_dense.counts, plainly(dense, tokens)[0])
    assert torch.equal(of_pruned.counts, plainly(pruned, tokens)[0])
    kept = of_pruned.counts.clone()
    measure_perplexity(pruned, tokens)
    assert torch.equal(of_pruned.counts, kept)
    with pytest.raises(RuntimeError), counting(pruned) as interrupted:
        raise RuntimeError
    measure_perplexity(pruned, tokens)
    assert interrupted.tokens.sum() == 0
    assert interrupted.probabilities.isnan().all()
    assert interrupted.mean_abs.isnan().all()


def test_several_texts_add_up():
    model, first, second = tiny("qwen3"), some_tokens(seed=1), some_tokens(seed=2, samples=3, length=17)
    with counting(model) as found:
        measure_perplexity(model, first)
        measure_perplexity(model, second)
    assert torch.equal(found.counts, plainly(model, first)[0] + plainly(model, second)[0])
    assert found.tokens.tolist() == [first.numel() + second.numel()] * 3


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
def test_counts_are_exact_where_16_bits_could_not_count(dtype):
    """bfloat16 has no 257: ten thousand tokens must still be counted one by one, and zeros of either sign do not
    count.
    """
    outputs = torch.randn(10_000, 5, generator=torch.Generator().manual_seed(0)).to(dtype)
    outputs[:, 1], outputs[:, 2], outputs[:, 3] = 1, 0.0, -0.0
    found = Activations(1, 5, torch.device("cpu"))
    for part in outputs.split(4096):
        found.add(0, part)
    assert torch.equal(found.counts[0], (outputs > 0).sum(dim=0))
    assert found.counts[0, 1:4].tolist() == [10_000, 0, 0]
    assert torch.allclose(found.sums[0], outputs.double().abs().sum(dim=0), rtol=1e-5)


@pytest.mark.parametrize("family", CONFIGS)
def test_every_architecture_has_a_non_linearity_of_its_own_in_each_layer(family):
    model = tiny(family)
    assert len({id(layer.mlp.act_fn) for layer in decoder(model).layers}) == len(decoder(model).layers)


@pytest.mark.parametrize("shared", [torch.nn.SiLU(), torch.nn.functional.silu])
def test_neurons_that_cannot_be_told_apart(shared):
    model = tiny("llama")
    for layer in decoder(model).layers:
        del layer.mlp.act_fn
        layer.mlp.act_fn = shared
    with (
        pytest.raises(ModelError, match=r"^LlamaForCausalLM: its layers have no mlp.act_fn module each"),
        counting(model),
    ):
        pass


LANGUAGES = 7


def probabilities(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_closed_forms():
    rows = [[0.4] * 4, [0.6, 0, 0, 0], [0.3, 0, 0.3, 0], [0, 0, 0, 0], [1, 1, 1, 1], [1, 0.5, 0.5, 0]]
    found = lape(torch.tensor(rows)[None])
    assert found.dtype == torch.float64
    expected = [math.log(4), 0, math.log(2), math.nan, math.log(4), 1.5 * math.log(2)]
    assert found[0].tolist() == pytest.approx(expected, nan_ok=True)


@given(seed=st.integers(0, 100), languages=st.integers(2, 8))
def test_lape_lies_between_0_and_ln_l_and_knows_no_order_or_scale(seed, languages):
    given_ = probabilities(2, 9, languages, seed=seed)
    found = lape(given_)
    assert found.shape == (2, 9)
    assert bool((found >= 0).all() and (found <= math.log(languages) + 1e-12).all())
    assert torch.allclose(lape(given_.flip(-1)), found)
    assert torch.allclose(lape(given_ / 3), found)


@pytest.mark.parametrize("bad", [-0.01, 1.01, math.nan, math.inf])
def test_values_that_are_no_probabilities(bad):
    values = probabilities(2, 3, LANGUAGES)
    values[1, 2, 3] = bad
    for measure in (lape, language_specific):
        with pytest.raises(ParameterError, match=r"^activation probabilities: some are outside 0 to 1 or not a number"):
            measure(values)


@pytest.mark.parametrize("shape", [(2, 3, 1), (2, 3), (3,)])
def test_fewer_than_two_languages(shape):
    with pytest.raises(ParameterError, match="two languages or more"):
        lape(probabilities(*shape))


def selected_by_hand(values: np.ndarray, share: float, quantile: float) -> set[tuple[int, int, int]]:
    """Tang et al.'s selection with sorted lists; (layer, neuron, language)."""
    layers, neurons, languages = values.shape
    bar = sorted(values.ravel().tolist())[round(quantile * values.size) - 1]
    entropies = []
    for layer in range(layers):
        for neuron in range(neurons):
            p = values[layer, neuron]
            if p.max() > bar:
                q = p / p.sum()
                entropies.append((-sum(x * math.log(x) for x in q if x > 0), layer, neuron))
    chosen = sorted(entropies)[: round(share * layers * neurons)]
    return {
        (layer, neuron, k) for _, layer, neuron in chosen for k in range(languages) if values[layer, neuron, k] > bar
    }


@pytest.mark.parametrize(("share", "quantile"), [(0.01, 0.95), (0.1, 0.8), (0.5, 0.95), (1, 0.5), (1, 1)])
def test_the_published_selection(share, quantile):
    values = probabilities(3, 100, LANGUAGES) ** 4
    values[0, :20] = 0
    found = language_specific(values, share, quantile)
    assert (found.dtype, found.shape) == (torch.bool, values.shape)
    assert set(map(tuple, found.nonzero().tolist())) == selected_by_hand(values.numpy(), share, quantile)


def test_the_share_is_of_all_neurons_and_one_may_belong_to_several_languages():
    values = 0.01 * probabilities(2, 100, LANGUAGES)
    values[0, 3, 1], values[1, 5, 2:4] = 0.9, 0.8  # fire for one language, and for two
    values[1, 7] = 0.7  # fires for all, which at this quantile is the bar
    assert language_specific(values, 0.01, 0.995).nonzero().tolist() == [[0, 3, 1], [1, 5, 2], [1, 5, 3]], (
        "1% of all 200 neurons"
    )
    assert language_specific(values, 0.005, 0.995).nonzero().tolist() == [[0, 3, 1]]


def test_a_probability_equal_to_the_bar_does_not_pass():
    values = torch.full((1, 10, 2), 0.5)
    assert not language_specific(values, share=1).any()
    values[0, 0, 0] = 0.6
    assert language_specific(values, share=1).nonzero().tolist() == [[0, 0, 0]]


def test_ties_go_to_the_first_neurons():
    values = torch.zeros(2, 10, 2)
    values[0, 4:, 0], values[1, :, 1] = 0.5, 0.5
    assert language_specific(values, share=0.1, quantile=0.5).nonzero().tolist() == [[0, 4, 0], [0, 5, 0]]


@pytest.mark.parametrize("options", [{"share": 0}, {"share": 1.5}, {"quantile": 0}, {"quantile": math.nan}])
def test_shares_outside_their_range(options):
    with pytest.raises(ParameterError, match=rf"^{next(iter(options))} .* above 0, at most 1$"):
        language_specific(probabilities(1, 10, 2), **options)


def test_survival():
    dense, pruned = torch.zeros(2, 5, 3, dtype=torch.bool), torch.zeros(2, 5, 3, dtype=torch.bool)
    dense[0, :4, 0] = dense[1, 2, 1] = True
    pruned[0, 1:, 0] = pruned[1, 3, 1] = pruned[:, :, 2] = True
    assert survival(dense, pruned).tolist() == pytest.approx([0.75, 0, math.nan], nan_ok=True)
    assert survival(dense, dense).tolist() == pytest.approx([1, 1, math.nan], nan_ok=True)
    with pytest.raises(ParameterError, match=r"^neurons of shapes \[2, 5, 3\] and \[1, 5, 3\]"):
        survival(dense, pruned[:1])


def test_whether_the_calibration_language_matters():
    """Four calibrations, each keeping one in two neurons of every language; their own language's neurons all, or
    not.
    """
    dense = probabilities(4, 50, 4) < 0.3
    half = [dense & (probabilities(4, 50, 4, seed=1 + number) < 0.5) for number in range(4)]
    own = [torch.where(torch.arange(4) == number, dense, kept) for number, kept in enumerate(half)]
    meaningful, meaningless = (torch.stack([survival(dense, kept) for kept in each]).numpy() for each in (own, half))
    assert target_advantage(meaningful).mean() == pytest.approx(0.5, abs=0.1)
    assert relabelling_p_value(meaningful) == pytest.approx(1 / math.factorial(4))
    assert relabelling_p_value(meaningless) > 0.05


def test_groups_of_the_lowest_lape():
    entropies = probabilities(10, 100)
    entropies[3, :40] = math.nan
    found = groups(entropies)
    assert found.never_active == 40
    assert [len(group) for group in found.members] == [20] * 15, "2% of all 1,000 neurons, up to 30%"
    together = torch.cat(found.members)
    assert torch.equal(entropies.flatten()[together], entropies.flatten().sort().values[:300])
    assert len(set(together.tolist())) == 300


def test_groups_of_a_number_of_neurons_that_does_not_divide():
    found = groups(probabilities(3, 111), share=0.02, upto=0.3)
    assert {len(group) for group in found.members} == {6, 7}
    assert sum(map(len, found.members)) == round(0.3 * 333)


def test_equal_entropies_stay_in_order():
    assert [group.tolist() for group in groups(torch.zeros(2, 5), share=0.2, upto=0.6).members] == [
        [0, 1],
        [2, 3],
        [4, 5],
    ]


def test_groups_end_where_no_neuron_has_a_lape():
    entropies = torch.full((1, 100), math.nan)
    entropies[0, :25] = 1.0
    found = groups(entropies, share=0.1, upto=0.5)
    assert ([len(group) for group in found.members], found.never_active) == ([10, 10, 5], 75)
    assert groups(torch.full((1, 100), math.nan)).members == []


@pytest.mark.parametrize("shares", [{"share": 0}, {"share": 0.2, "upto": 0.1}, {"upto": 1.1}, {"upto": math.nan}])
def test_shares_of_groups_outside_their_range(shares):
    with pytest.raises(ParameterError, match="give a share"):
        groups(probabilities(1, 100), **shares)
