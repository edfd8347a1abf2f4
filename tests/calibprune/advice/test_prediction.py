"""Predicted losses against a plain computation: masks by the papers' algorithms, errors on the inputs themselves."""

import numpy as np
import pytest
import reference
import torch
from tiny_models import some_tokens, tiny

import calibprune as cp
from calibprune.errors import ModelError, ParameterError
from calibprune.methods import METHODS
from calibprune.models.families import decoder, linears

TEXTS = {"de": some_tokens(5, 24, 1, 40), "en": some_tokens(5, 24, 2, 120), "sw": some_tokens(3, 24, 3)}
OTHER = {"de": some_tokens(4, 16, 4, 40), "en": some_tokens(4, 16, 5, 120), "es": some_tokens(2, 16, 6, 80)}
LANGUAGES = list(TEXTS)


def inputs_of(model, tokens) -> dict[str, np.ndarray]:
    """What each linear reads of the dense model, float64 [sequences, length, in]."""
    read, hooks = {}, []
    for i, layer in enumerate(decoder(model).layers):
        for component, linear in linears(layer):
            name = f"layers.{i}.{component}"
            hooks.append(linear.register_forward_pre_hook(lambda _, args, name=name: read.update({name: args[0]})))
    model(tokens, use_cache=False)
    for hook in hooks:
        hook.remove()
    return {name: x.double().numpy() for name, x in read.items()}


def weight_of(model, name: str) -> torch.Tensor:
    return model.get_parameter(f"model.{name}.weight").detach()


def flat(x: np.ndarray) -> np.ndarray:
    return x.reshape(-1, x.shape[-1])


def wanda(weight: torch.Tensor, x: np.ndarray, **how) -> torch.Tensor:
    mask = reference.wanda_mask(weight.numpy(), flat(x), **how)
    return weight.masked_fill(torch.from_numpy(mask), 0)


def diagonal_loss(weight, pruned, x) -> float:
    squares = (flat(x) ** 2).sum(axis=0)
    change = (weight - pruned).double().numpy()
    return float((change**2 * squares).sum() / (weight.double().numpy() ** 2 * squares).sum())


def output_loss(weight, pruned, x) -> float:
    x, weight, pruned = flat(x), weight.double().numpy(), pruned.double().numpy()
    return float((((weight - pruned) @ x.T) ** 2).sum() / ((weight @ x.T) ** 2).sum())


def compare(advice, model, evaluation, solve, loss) -> None:
    """Every number of the advice, whose candidates are single languages."""
    calibrating = {code: inputs_of(model, TEXTS[code]) for code in advice.candidates}
    measuring = {code: inputs_of(model, evaluation[code]) for code in advice.targets}
    assert set(advice.matrices) == set(measuring[advice.targets[0]])
    for m, name in enumerate(advice.matrices):
        weight = weight_of(model, name)
        for a, candidate in enumerate(advice.candidates):
            pruned = solve(weight, calibrating[candidate][name])
            for b, target in enumerate(advice.targets):
                expected = loss(weight, pruned, measuring[target][name])
                assert float(advice.by_matrix[a, b, m]) == pytest.approx(expected, rel=1e-3), (name, candidate, target)


@pytest.mark.parametrize("family", ["llama", "gemma3_text", "cohere"])
@pytest.mark.parametrize(("sparsity", "how"), [(0.5, {"sparsity": 0.5}), ("2:4", {"nm": (2, 4)})])
def test_wanda_with_diagonals(family, sparsity, how, small_batches):
    model = tiny(family)
    advice = cp.advise(model, TEXTS, LANGUAGES, LANGUAGES, "wanda", sparsity)
    assert not advice.exact
    assert advice.tokens == 13 * 24, "a text is read once, for its masks and for its errors"
    compare(advice, model, TEXTS, lambda weight, x: wanda(weight, x, **how), diagonal_loss)


@pytest.mark.parametrize("family", ["llama", "gemma3_text"])
def test_wanda_with_gram_matrices_and_other_text_for_errors(family, small_batches):
    model = tiny(family)
    advice = cp.advise(model, TEXTS, LANGUAGES, list(OTHER), exact=True, evaluation=OTHER)
    assert advice.exact
    compare(advice, model, OTHER, lambda weight, x: wanda(weight, x, sparsity=0.5), output_loss)


def test_sparsegpt_is_measured_by_what_its_outputs_change(small_batches):
    model = tiny("llama")

    def solve(weight, x):
        return reference.sparsegpt(weight, list(torch.from_numpy(x).float()), 0.5, dtype=torch.float64)[0].float()

    advice = cp.advise(model, TEXTS, ["de", "en"], list(OTHER), "sparsegpt", evaluation=OTHER)
    assert advice.exact
    compare(advice, model, OTHER, solve, output_loss)


def test_a_mixture_is_the_mean_of_its_languages_for_a_token():
    """Of languages with different amounts of text too: one with more windows does not weigh more."""
    model = tiny("llama")
    advice = cp.advise(model, TEXTS, ["de", "en+sw"], ["de", "es"], evaluation=OTHER)
    read = {code: inputs_of(model, tokens) for code, tokens in TEXTS.items()}
    measuring = {code: inputs_of(model, OTHER[code]) for code in advice.targets}
    for m, name in enumerate(advice.matrices):
        weight = weight_of(model, name)
        mean = np.sqrt(sum((flat(read[code][name]) ** 2).mean(axis=0) for code in ("en", "sw")) / 2)
        pruned = wanda(weight, mean[None], sparsity=0.5)
        for b, target in enumerate(advice.targets):
            expected = diagonal_loss(weight, pruned, measuring[target][name])
            assert float(advice.by_matrix[1, b, m]) == pytest.approx(expected, rel=1e-3), (name, target)


def test_the_model_stays_as_it_is():
    model = tiny("qwen2").train()
    before = {name: parameter.clone() for name, parameter in model.named_parameters()}
    cp.advise(model, TEXTS, LANGUAGES, ["de"], "sparsegpt")
    assert model.training
    assert all(torch.equal(before[name], parameter) for name, parameter in model.named_parameters())


def test_ranks_and_rows():
    steps = []
    candidates = ["sw", "en+sw", "de"]
    advice = cp.advise(
        tiny("llama"), TEXTS, candidates, ["de", "en"], progress=lambda *step: steps.append(step), sparsity="0.25"
    )
    assert steps == [(1, 3), (2, 3), (3, 3)]
    for b, target in enumerate(["de", "en"]):
        ranked = advice.ranked(target)
        assert [rank.loss for rank in ranked] == sorted(advice.by_matrix[:, b].mean(dim=1).tolist())
        assert {rank.calibration for rank in ranked} == set(candidates)
        assert ranked[0].ratio == 1
        assert ranked[2].ratio == pytest.approx(ranked[2].loss / ranked[0].loss)
    assert advice.ranked("de")[0].calibration == "de", "on its own calibration text"
    rows = list(advice.rows())
    assert len(rows) == 3 * 2 * (1 + 3 * 7)
    whole = [row["value"] for row in rows if row["layer"] is None]
    assert whole == advice.losses.flatten().tolist()
    one = [row["value"] for row in rows if (row["layer"], row["component"]) == (2, "mlp.down_proj")]
    assert one == advice.by_matrix[:, :, advice.matrices.index("layers.2.mlp.down_proj")].flatten().tolist()
    with pytest.raises(ParameterError, match="unknown target 'sw': choose one of de, en"):
        advice.ranked("sw")


def test_nothing_to_prune_loses_nothing():
    advice = cp.advise(tiny("llama"), TEXTS, ["de", "en"], ["sw"], sparsity=0)
    assert not advice.by_matrix.any()
    assert [rank.ratio for rank in advice.ranked("sw")] == [1, 1]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"candidates": ["de"]}, "candidates de: give two or more"),
        ({"candidates": []}, r"candidates \(none\): give two or more"),
        ({"candidates": ["de", "en", "de"]}, "candidates de, en, de: .* each once"),
        ({"candidates": "de,en"}, "candidates de,en: give two or more"),
        ({"targets": []}, r"targets \(none\): give one language or more"),
        ({"targets": ["de+en"]}, r"unknown language of the tokens 'de\+en'"),
        ({"targets": ["pt"]}, "unknown language of the tokens 'pt': choose one of de, en, sw"),
        ({"candidates": ["de", "pt"]}, "unknown language of the tokens 'pt'"),
        ({"candidates": ["de", "en+en"]}, "names a language twice"),
        ({"method": "magnitude"}, "method magnitude uses no text"),
        ({"method": "gptq"}, "'gptq' does not prune"),
        ({"sparsity": 1.5}, "sparsity 1.5"),
        ({"sparsity": "3:7"}, "not a multiple of 7"),
        ({"calibration": TEXTS | {"de": "text"}}, "tokens: give windows as a LongTensor"),
    ],
)
def test_what_cannot_be_used(changes, words):
    arguments = {"calibration": TEXTS, "candidates": ["de", "en"], "targets": ["sw"]} | changes
    with pytest.raises(ParameterError, match=words):
        cp.advise(tiny("llama"), **arguments)


def test_a_statistic_that_is_no_tensor_cannot_be_mixed(monkeypatch):
    wanda = METHODS["wanda"]
    pair = wanda._replace(
        accumulate=lambda total, x: (wanda.accumulate(total and total[0], x),),
        prepare=lambda total, *how: wanda.prepare(total[0], *how),
    )
    monkeypatch.setitem(METHODS, "pair", pair)
    advice = cp.advise(tiny("llama"), TEXTS, ["de", "en"], ["sw"], "pair")
    expected = cp.advise(tiny("llama"), TEXTS, ["de", "en"], ["sw"], exact=True)
    assert torch.equal(advice.by_matrix, expected.by_matrix)
    with pytest.raises(ParameterError, match="cannot be mixed"):
        cp.advise(tiny("llama"), TEXTS, ["de", "de+en"], ["sw"], "pair")


def test_a_matrix_whose_outputs_are_zero_is_named():
    model = tiny("llama")
    model.model.layers[1].mlp.up_proj.weight.zero_()
    with pytest.raises(ModelError, match=r"layers\.1\.mlp\.up_proj: its outputs are all zero"):
        cp.advise(model, TEXTS, ["de", "en"], ["sw"])
