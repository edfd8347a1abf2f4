"""The walk: equal to running the whole network for each layer, with one statistic for each distinct tensor and no work
twice.
"""

from collections import Counter

import one_method
import pytest
import reference
import torch
import transformers as hf
from tiny_models import CONFIGS, some_tokens, tiny
from transformers.models.llama.modeling_llama import LlamaDecoderLayer

from calibprune.errors import ModelError, ParameterError
from calibprune.kernels.gram import add_gram
from calibprune.kernels.selection import lowest_per_row
from calibprune.methods import METHODS, Method, pruners
from calibprune.methods.base import Prepared, Solved, each_alone
from calibprune.models.families import FAMILIES, linears
from calibprune.schemes import Sparsity
from calibprune.walk import inputs
from calibprune.walk.inputs import capture
from calibprune.walk.layerwise import collect, prune, quantize
from calibprune.walk.outputs import layer_outputs

LINEARS = {
    "self_attn.q_proj",
    "self_attn.k_proj",
    "self_attn.v_proj",
    "self_attn.o_proj",
    "mlp.gate_proj",
    "mlp.up_proj",
    "mlp.down_proj",
}


def weights(model) -> dict[str, torch.Tensor]:
    return {name: parameter.detach().clone() for name, parameter in model.named_parameters()}


def solving(name: str, sparsity):
    """The package's method fed with the reference's inputs: what is compared is the walk alone."""
    chosen, pattern = METHODS[name], Sparsity.of(sparsity)

    def solve(weight, sequences):
        total = None
        for x in sequences:
            total = chosen.accumulate(total, x)
        return one_method.solve(chosen, [weight], total, len(sequences), pattern)[0].mask

    return solve


@pytest.mark.parametrize("sparsity", [0.5, "2:4"])
@pytest.mark.parametrize("name", ["wanda", "sparsegpt"])
@pytest.mark.parametrize("family", CONFIGS)
def test_equal_to_running_the_whole_network_for_each_layer(family, name, sparsity, small_batches):
    tokens = some_tokens(samples=5)
    walked, whole = tiny(family), tiny(family)
    result = prune(walked, tokens, name, sparsity)
    masks = reference.prune_with_whole_network(whole, tokens, solving(name, sparsity))
    assert result.masks.keys() == masks.keys()
    assert {key.split(".", 2)[2] for key in masks} == LINEARS
    for key, mask in masks.items():
        assert torch.equal(result.masks[key], mask), (
            f"{key}: {int((result.masks[key] != mask).sum())} of {mask.numel()} differ"
        )
    for key, weight in weights(walked).items():
        torch.testing.assert_close(weight, whole.get_parameter(key).detach(), rtol=1e-3, atol=1e-3, msg=key)


@pytest.mark.parametrize("family", ["llama", "cohere", "gemma3_text"])
def test_wanda_and_sparsegpt_end_to_end_against_the_published_algorithms(family, small_batches):
    tokens = some_tokens(samples=5)

    def published_wanda(weight, sequences):
        mask = torch.from_numpy(reference.wanda_mask(weight.numpy(), torch.cat(sequences).numpy(), 0.5))
        weight[mask] = 0
        return mask

    def published_sparsegpt(weight, sequences):
        after, mask = reference.sparsegpt(weight, sequences, 0.5, dtype=torch.float32)
        weight.copy_(after)
        return mask

    for name, solve in (("wanda", published_wanda), ("sparsegpt", published_sparsegpt)):
        result = prune(tiny(family), tokens, name, 0.5)
        masks = reference.prune_with_whole_network(tiny(family), tokens, solve)
        same = sum(int((result.masks[key] == mask).sum()) for key, mask in masks.items())
        assert same / sum(mask.numel() for mask in masks.values()) >= 0.999


@pytest.mark.parametrize("family", CONFIGS)
def test_layer_outputs_are_those_of_the_model(family):
    """The layers' own masks and rotary embeddings: windows are longer than the sliding windows of Gemma, Cohere 2 and
    Mistral.
    """
    model, tokens = tiny(family), some_tokens(samples=3)
    *states, final = layer_outputs(model, tokens)
    expected = reference.layer_states(model, tokens)
    assert len(states) == len(expected) == model.config.num_hidden_layers
    for state, other in zip(states, expected, strict=True):
        assert torch.equal(state, other)
    output = model(tokens, output_hidden_states=True, use_cache=False)
    assert torch.equal(final, output.hidden_states[-1])
    for state, other in zip(states[:-1], output.hidden_states[1:-1], strict=True):
        assert torch.equal(state, other)


@pytest.mark.parametrize("family", ["gemma3_text", "cohere2", "mistral"])
def test_the_examples_have_windows_that_slide(family):
    """With full attention in every layer the states would be others: the test above can fail."""
    tokens = some_tokens(samples=2)
    sliding = reference.layer_states(tiny(family), tokens)
    full = reference.layer_states(tiny(family, sliding_window=64), tokens)
    assert not torch.allclose(sliding[0], full[0], atol=1e-3)
    kinds = {
        kind for kind in getattr(tiny(family).config, "layer_types", None) or ["sliding_attention", "full_attention"]
    }
    assert kinds == {"sliding_attention", "full_attention"}


def test_nothing_to_prune_leaves_the_model_as_it_was(small_batches):
    model = tiny("gemma3_text")
    before = weights(model)
    result = prune(model, some_tokens(), "wanda", 0.0)
    assert not any(mask.any() for mask in result.masks.values())
    assert all(torch.equal(before[name], after) for name, after in weights(model).items())


def test_only_the_linears_of_the_layers_change_and_the_report_says_how_much():
    model = tiny("qwen2")  # has biases
    before = weights(model)
    steps = []
    result = prune(model, some_tokens(), "sparsegpt", 0.5, progress=lambda *step: steps.append(step))
    pruned = {f"model.{key}.weight" for key in result.masks}
    for name, after in weights(model).items():
        assert torch.equal(before[name], after) == (name not in pruned), name
    assert steps == [(1, 3), (2, 3), (3, 3)]
    assert result.tokens == 5 * 24
    assert [report.layer for report in result.layers] == [0, 1, 2]
    for report in result.layers:
        masks = [mask for key, mask in result.masks.items() if key.startswith(f"layers.{report.layer}.")]
        share = sum(int(mask.sum()) for mask in masks) / sum(mask.numel() for mask in masks)
        assert report.sparsity == pytest.approx(share)
        assert set(report.seconds) == {"statistics", "solve", "propagate"}
    assert result.seconds >= sum(sum(report.seconds.values()) for report in result.layers)


def test_magnitude_needs_no_text():
    model = tiny("llama")
    result = prune(model, None, "magnitude", nm=(2, 4))
    assert result.tokens == 0
    for key, mask in result.masks.items():
        assert (mask.view(len(mask), -1, 4).sum(dim=2) == 2).all(), key
        assert (model.get_parameter(f"model.{key}.weight")[mask] == 0).all()


@pytest.mark.parametrize(
    ("family", "groups"), [("llama", 4), ("gemma3_text", 4), ("qwen3", 4), ("cohere", 3), ("cohere2", 3)]
)
def test_linears_that_read_one_tensor_share_one_statistic(family, groups, small_batches):
    model, tokens = tiny(family), some_tokens(samples=5)
    calls = []

    def counting(total, x):
        calls.append(x.shape)
        return add_gram(total, x)

    method = METHODS["wanda"]._replace(accumulate=counting, prepare=lambda total, *_: Prepared(total.diagonal()))
    prune(model, tokens, method, 0.5)
    assert len(calls) == groups * 3 * model.config.num_hidden_layers  # three batches: 2, 2 and 1 windows
    assert Counter(shape[0] for shape in calls) == {
        2: 2 * groups * model.config.num_hidden_layers,
        1: groups * model.config.num_hidden_layers,
    }


def test_who_shares_what(small_batches):
    def groups(family):
        model = tiny(family)
        inputs = capture(model, some_tokens())
        return [set(names) for _, names in collect(model.model.layers[0], 0, inputs, add_gram)]

    qkv = {"self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"}
    assert groups("llama") == [qkv, {"self_attn.o_proj"}, {"mlp.gate_proj", "mlp.up_proj"}, {"mlp.down_proj"}]
    parallel = groups("cohere")
    assert qkv | {"mlp.gate_proj", "mlp.up_proj"} in parallel
    assert {"self_attn.o_proj"} in parallel
    assert {"mlp.down_proj"} in parallel


@pytest.mark.parametrize("family", ["llama", "cohere"])
def test_the_first_pass_ends_with_the_last_statistic_and_the_second_is_made_once(family, small_batches):
    model, tokens = tiny(family), some_tokens(samples=5)
    ran = Counter()
    for index, layer in enumerate(model.model.layers):
        for name, linear in linears(layer):
            linear.register_forward_hook(lambda *_, key=(index, name): ran.update([key]))
    prune(model, tokens, "wanda", 0.5)
    last = model.config.num_hidden_layers - 1
    # three batches: the product of down_proj is computed in the second pass only, and of the last layer's output, which
    # nobody needs, one batch is looked at
    assert [ran[index, "mlp.down_proj"] for index in range(last + 1)] == [3] * last + [1]
    assert [ran[index, "self_attn.q_proj"] for index in range(last + 1)] == [6] * last + [4]


def test_embeddings_run_once_a_batch(small_batches):
    model, calls = tiny("llama"), []
    model.model.embed_tokens.register_forward_hook(lambda *_: calls.append(1))
    prune(model, some_tokens(samples=5), "wanda", 0.5)
    assert len(calls) == 3


def test_a_fourth_method_does_not_touch_the_walk(monkeypatch, small_batches):
    """Random masks, weighted by the largest input: another statistic, another rule."""

    def accumulate(total, x):
        largest = x.reshape(-1, x.shape[-1]).abs().amax(dim=0)
        return largest if total is None else torch.maximum(total, largest)

    def solve(weight, prepared, sparsity):
        mask = lowest_per_row(weight.abs() * prepared, int(weight.shape[1] * sparsity.fraction))
        weight.masked_fill_(mask, 0)
        return mask

    counted = []

    def prepare(total, samples, grid, retry):
        counted.append(samples)
        return Prepared(total)

    monkeypatch.setitem(METHODS, "largest", Method("Largest", each_alone(solve), accumulate, prepare))
    tokens, walked, whole = some_tokens(samples=5), tiny("cohere"), tiny("cohere")
    result = prune(walked, tokens, "largest", 0.25)
    assert set(counted) == {5}
    masks = reference.prune_with_whole_network(
        whole, tokens, lambda weight, xs: solve(weight, accumulate(None, torch.cat(xs)), Sparsity.of(0.25))
    )
    assert all(torch.equal(result.masks[key], mask) for key, mask in masks.items())


@pytest.mark.parametrize("name", ["wanda", "sparsegpt"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_same_weights_bit_for_bit_again(name, dtype, small_batches):
    first, again = tiny("gemma3_text", dtype=dtype), tiny("gemma3_text", dtype=dtype)
    prune(first, some_tokens(), name, 0.5)
    prune(again, some_tokens(), name, 0.5)
    assert all(torch.equal(first.get_parameter(key), weight) for key, weight in weights(again).items())
    assert first.dtype == dtype


def test_batches_do_not_change_masks(monkeypatch):
    tokens = some_tokens(samples=7)
    results = []
    for size in (1, 3, 7):
        monkeypatch.setattr(inputs, "batches", lambda tokens, *_, size=size: tokens.split(size))
        results.append(prune(tiny("gemma3_text"), tokens, "sparsegpt", 0.5).masks)
    for other in results[1:]:
        same = [torch.equal(results[0][key], mask) for key, mask in other.items()]
        assert all(same)


def test_layers_that_return_tuples(small_batches):
    class TupleLayer(LlamaDecoderLayer):
        def forward(self, hidden_states, **kwargs):
            return super().forward(hidden_states, **kwargs), None

    plain, other = tiny("llama"), tiny("llama")
    for layer in other.model.layers:
        layer.__class__ = TupleLayer
    found, expected = (prune(model, some_tokens(), "sparsegpt", 0.5) for model in (other, plain))
    assert all(torch.equal(found.masks[key], mask) for key, mask in expected.masks.items())


def test_the_model_works_as_before_afterwards():
    model = tiny("llama")
    prune(model, some_tokens(), "wanda", 0.5)
    assert not any("forward" in vars(layer) for layer in model.model.layers)
    assert not any(linear._forward_pre_hooks for layer in model.model.layers for _, linear in linears(layer))
    assert torch.isfinite(model(some_tokens()).logits).all()


def test_a_failure_leaves_no_hook_behind(small_batches):
    def failing(total, x):
        raise RuntimeError("out of memory")

    model = tiny("llama")
    with pytest.raises(RuntimeError, match="out of memory"):
        prune(model, some_tokens(), METHODS["wanda"]._replace(accumulate=failing), 0.5)
    assert not any("forward" in vars(layer) for layer in model.model.layers)
    assert not any(linear._forward_pre_hooks for layer in model.model.layers for _, linear in linears(layer))


def test_another_architecture_is_refused():
    config = hf.GPT2Config(vocab_size=260, n_positions=64, n_embd=32, n_layer=2, n_head=2)
    model = hf.AutoModelForCausalLM.from_config(config)
    for attempt in (lambda: prune(model, some_tokens()), lambda: list(layer_outputs(model, some_tokens()))):
        with pytest.raises(ModelError, match="architecture 'gpt2' is not supported; supported are Llama") as caught:
            attempt()
        assert "\n" not in str(caught.value)
        assert all(name in str(caught.value) for name in FAMILIES.values())


@pytest.mark.parametrize("name", ["wanda", "sparsegpt"])
def test_activations_that_are_not_finite(name):
    model = tiny("llama")
    model.model.layers[1].input_layernorm.weight.data[3] = 3e38
    with pytest.raises(
        ModelError, match=r"^layers\.1\.self_attn\.q_proj: the activations hold infinite or undefined values"
    ):
        prune(model, some_tokens(), name, 0.5)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"method": "no such"}, "unknown method 'no such': choose one of " + ", ".join(pruners())),
        ({"sparsity": 1.0}, "sparsity 1.0: give a fraction"),
        ({"nm": (4, 2)}, "sparsity 4:2: a pattern n:m"),
        ({"nm": (3, 7)}, "sparsity 3:7: layers.0.self_attn.q_proj has 32 inputs, not a multiple of 7"),
        ({"tokens": None}, "tokens: give windows"),
        ({"tokens": torch.zeros(8, dtype=torch.long)}, "tokens: give windows"),
        ({"tokens": torch.zeros(0, 8, dtype=torch.long)}, "tokens: give windows"),
        (
            {"tokens": torch.zeros(1, 65, dtype=torch.long)},
            "window length 65: LlamaForCausalLM reads at most 64 tokens",
        ),
    ],
)
def test_bad_arguments_change_nothing(arguments, words):
    model = tiny("llama")
    before = weights(model)
    with pytest.raises(ParameterError) as caught:
        prune(model, **{"tokens": some_tokens(), **arguments})
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)
    assert all(torch.equal(before[name], after) for name, after in weights(model).items())


def test_experts_that_share_one_tensor_are_refused_and_not_passed_over():
    model = tiny("llama")
    model.model.layers[1].mlp.experts = torch.nn.Parameter(torch.zeros(2, 3, 4))
    with pytest.raises(ModelError, match=r"layers.1.mlp.experts: experts that share one tensor"):
        prune(model, some_tokens(), "wanda", 0.5)
    assert all(bool((linear.weight != 0).all()) for _, linear in linears(model.model.layers[0]))


def training(family="llama"):
    """A model in training mode, which drops half of what attention sees, but for one module; and its modes."""
    model = tiny(family, attention_dropout=0.5).train()
    model.model.norm.eval()
    return model, [module.training for module in model.modules()]


@pytest.mark.parametrize("name", ["wanda", "sparsegpt"])
def test_a_model_in_training_mode_is_pruned_as_in_evaluation_mode(name):
    model, modes = training()
    result = prune(model, some_tokens(), name, 0.5)
    expected = prune(tiny("llama", attention_dropout=0.5), some_tokens(), name, 0.5)
    assert all(torch.equal(result.masks[key], mask) for key, mask in expected.masks.items())
    assert [module.training for module in model.modules()] == modes
    with pytest.raises(ParameterError):
        prune(model, some_tokens(), name, 0.5, progress=None)
    assert [module.training for module in model.modules()] == modes


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
@pytest.mark.parametrize("part", ["lm_head", "model.embed_tokens", "model.norm"])
def test_weights_of_every_part_are_looked_at_before_the_walk(part, value):
    model = tiny("llama")
    before = weights(model)
    model.get_submodule(part).weight.data.view(-1)[-1] = value
    with pytest.raises(ModelError, match=f"^{part.removeprefix('model.')}: the weights hold infinite or undefined"):
        prune(model, some_tokens(), "wanda", 0.5)
    assert all(torch.equal(before[name], new) for name, new in weights(model).items() if not name.startswith(part))


def test_new_weights_that_are_no_numbers_are_refused():
    def solve(weights, value, sparsity, grid):
        for weight in weights:
            weight[0, 0] = float("inf") if weight.shape == (32, 48) else 0
        return [Solved(weight == 0) for weight in weights]

    with pytest.raises(ModelError, match=r"^layers\.0\.mlp\.down_proj: the new weights are infinite or undefined in "):
        prune(tiny("llama", num_hidden_layers=1), None, Method("Broken", solve), 0.5)


@pytest.mark.parametrize("family", ["llama", "cohere", "gemma3_text"])
@pytest.mark.parametrize("use", [prune, quantize])
def test_outputs_of_the_last_layer_that_are_too_large_for_the_dtype(family, use):
    """All weights are finite, and no layer reads what overflows."""
    model = tiny(family, dtype=torch.float16)
    last = model.model.layers[-1]
    for name, weight in last.named_parameters():
        if "post_feedforward_layernorm" in name:
            weight.fill_(60000)
        elif "down_proj" in name:
            weight.mul_(60000 / float(weight.abs().max()))
    options = {"group_size": 8} if use is quantize else {}
    with pytest.raises(ModelError, match=r"^layers\.\d: its outputs are infinite or undefined in torch\.float16"):
        use(model, some_tokens(), **options)
