"""The public functions look at what they are given: one line of the package's own where it cannot be used, and numpy's
numbers and paths are as good as Python's. Those of text have their tests in corpora/.
"""

from pathlib import Path

import numpy as np
import pytest
import torch
import transformers as hf
from byte_tokenizer import TOKENIZER
from tiny_models import CONFIGS, some_tokens, tiny
from torch import nn

import calibprune as cp
from calibprune.errors import CalibpruneError, ModelError, ParameterError
from calibprune.metrics.embeddings import sentence_embeddings
from calibprune.metrics.fidelity import Trace

TOKENS = some_tokens()
MASK = torch.ones(2, 2, dtype=torch.bool)


def llama():
    return tiny("llama", num_hidden_layers=2)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: cp.load(None), "model None: give one of gemma3-270m"),
        (lambda: cp.load(5), "model 5: give one of"),
        (lambda: cp.load(""), "model '': give one of"),
        (lambda: cp.load("~no such user/x"), "~no such user/x: the home folder that ~no such user stands for"),
        (lambda: cp.load("x" * 5000), "xxx: File name too long"),
        (lambda: cp.load("a\0b"), "holds a zero byte"),
        (lambda: cp.load(Path("no/such/folder/there")), "unknown model 'no/such/folder/there'"),
        (lambda: cp.load("gemma3-270m", device=None), "device None is not usable"),
        (lambda: cp.prune(None, TOKENS), "a model is needed, not NoneType"),
        (lambda: cp.prune(nn.Linear(2, 2), TOKENS), "a model is needed, not Linear"),
        (lambda: cp.prune("gemma3-270m", TOKENS), "a model is needed, not str"),
        (lambda: cp.prune(llama().model, TOKENS), "LlamaModel: is a decoder without an output layer"),
        (lambda: cp.prune(llama(), TOKENS.tolist()), "tokens: give windows as a LongTensor [samples, length]"),
        (lambda: cp.prune(llama(), TOKENS.numpy()), "not ndarray"),
        (lambda: cp.prune(llama(), TOKENS.float()), "not torch.float32 [5, 24]"),
        (lambda: cp.prune(llama(), TOKENS > 3), "not torch.bool"),
        (lambda: cp.prune(llama(), TOKENS + 10), "token 266: LlamaForCausalLM knows tokens 0 to 259"),
        (lambda: cp.prune(llama(), TOKENS - 300), "LlamaForCausalLM knows tokens 0 to 259"),
        (lambda: cp.prune(llama(), TOKENS, method=None), "unknown method None"),
        (lambda: cp.prune(llama(), TOKENS, method=["wanda"]), "unknown method ['wanda']"),
        (lambda: cp.prune(llama(), TOKENS, sparsity=None), "sparsity None: give a fraction"),
        (lambda: cp.prune(llama(), TOKENS, sparsity=np.True_), "give a fraction"),
        (lambda: cp.prune(llama(), TOKENS, progress=3), "progress 3: give a function"),
        (lambda: cp.quantize(llama(), TOKENS, bits=4.0), "bits 4.0: weights can be quantized"),
        (lambda: cp.quantize(llama(), TOKENS, bits=4, group_size="8"), "group_size '8'"),
        (lambda: cp.quantize(llama(), TOKENS, bits=4, group_size=8, symmetric="no"), "symmetric 'no'"),
        (lambda: cp.perplexity(llama(), [[1, 2]]), "tokens: give windows"),
        (lambda: cp.perplexity(llama(), TOKENS + 100), "LlamaForCausalLM knows tokens 0 to 259"),
        (lambda: cp.fidelity(None, llama(), TOKENS), "a model is needed, not NoneType"),
        (lambda: cp.fidelity(tiny("llama", hidden_size=64), tiny("llama"), TOKENS), "another width"),
        (lambda: cp.fidelity(llama(), tiny("llama"), TOKENS), "another depth"),
        (lambda: cp.fidelity(tiny("llama"), llama(), TOKENS), "deeper"),
        (lambda: cp.fidelity(tiny("llama", vocab_size=257), tiny("llama"), TOKENS + 3), "knows tokens 0 to 256"),
        (lambda: cp.stable_mask(None), "pruning masks: give at least one"),
        (lambda: cp.stable_mask(MASK), "pruning masks: give at least one, as a list"),
        (lambda: cp.mask_iou(MASK, None), "not NoneType"),
        (lambda: cp.mask_iou(MASK.numpy(), MASK.numpy()), "not ndarray"),
        (lambda: cp.lape(torch.rand(2, 2, 2, device="meta")), "not torch.float32 on meta"),
        (lambda: cp.mask_iou(MASK.to("meta"), MASK.to("meta")), "not torch.bool on meta"),
        (lambda: cp.language_subspace(torch.eye(4, device="meta"), 1), "not one on meta"),
        (lambda: cp.lape([[[0.1, 0.2]]]), "activation probabilities: give a tensor"),
        (lambda: cp.language_subspace(np.eye(3), 1), "mean embeddings: give a tensor"),
        (lambda: cp.language_subspace(torch.eye(3), 1.0), "rank 1.0"),
    ],
)  # fmt: skip
def test_what_cannot_be_used_is_one_line(call, words):
    with pytest.raises(CalibpruneError) as caught:
        call()
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def on_meta(model):
    return model.to("meta")


def partly_on_meta(model):
    model.model.layers[1].mlp.up_proj.to("meta")
    return model


def of_integers(model, name="model.layers.0.mlp.up_proj", dtype=torch.int8):
    module = model.get_submodule(name)
    module.weight = nn.Parameter(torch.zeros_like(module.weight, dtype=dtype), requires_grad=False)
    return model


def of_two_dtypes(model):
    model.model.layers[1].to(torch.bfloat16)
    return model


def without_matrices(model):
    """As libraries that pack weights leave a layer."""
    for layer in model.model.layers:
        for name, module in list(layer.named_modules()):
            if isinstance(module, nn.Linear):
                layer.set_submodule(name, nn.Identity())
    return model


USES = {
    "prune": lambda model: cp.prune(model, TOKENS),
    "prune without text": lambda model: cp.prune(model, None, "magnitude"),
    "quantize": lambda model: cp.quantize(model, TOKENS, group_size=8),
    "perplexity": lambda model: cp.perplexity(model, TOKENS),
    "fidelity": lambda model: cp.fidelity(llama(), model, TOKENS),
    "fidelity to": lambda model: cp.fidelity(model, llama(), TOKENS),
    "trace": lambda model: Trace.of(model, TOKENS),
    "sentences": lambda model: sentence_embeddings(model, TOKENIZER, ["abc"]),
}


@pytest.mark.parametrize("use", USES)
@pytest.mark.parametrize(
    ("change", "words"),
    [
        (on_meta, "is on the device meta"),
        (partly_on_meta, "model.layers.1.mlp.up_proj.weight is on the device meta"),
        (of_integers, "layers.0.mlp.up_proj (holds numbers of type int8|is packed)"),
        (lambda model: of_integers(model, dtype=torch.float8_e4m3fn), "(of type float8_e4m3fn|is packed)"),
        (lambda model: of_integers(model, dtype=torch.complex64), "(of type complex64|is packed)"),
        (lambda model: of_integers(model, "lm_head"), "lm_head holds numbers of type int8"),
        (lambda model: of_integers(model, "model.embed_tokens"), "embed_tokens holds numbers of type int8"),
        (of_two_dtypes, "embed_tokens is float32 and model.layers.1.self_attn.q_proj bfloat16"),
    ],
)
def test_models_that_cannot_be_computed_with(use, change, words):
    with pytest.raises(ModelError, match=words) as caught:
        USES[use](change(llama()))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("use", ["prune", "prune without text", "quantize"])
def test_layers_without_matrices_cannot_be_pruned(use):
    with pytest.raises(ModelError, match=r"layers\.0: has no nn\.Linear to prune"):
        USES[use](without_matrices(llama()))


def test_layers_that_share_weights_cannot_be_pruned():
    """Of what the first of them leaves, the second would prune again."""
    model = llama()
    model.model.layers[1].mlp.up_proj.weight = model.model.layers[0].mlp.up_proj.weight
    words = r"^layers\.1\.mlp\.up_proj has its weights in common with layers\.0\.mlp\.up_proj; give each a copy"
    with pytest.raises(ModelError, match=words):
        cp.prune(model, TOKENS)
    model = llama()
    model.model.layers[1] = model.model.layers[0]
    with pytest.raises(ModelError, match=r"layers\.1\.self_attn\.q_proj has its weights in common"):
        cp.quantize(model, TOKENS, group_size=8)


@pytest.mark.parametrize("use", USES)
def test_a_decoder_without_layers(use):
    model = llama()
    model.model.layers = nn.ModuleList()
    with pytest.raises(ModelError, match=r"its decoder has no layers"):
        USES[use](model)


def test_a_model_that_classifies():
    model = hf.AutoModelForSequenceClassification.from_config(CONFIGS["llama"](num_hidden_layers=2))
    with pytest.raises(ModelError, match="LlamaForSequenceClassification: has no output layer with a matrix"):
        cp.prune(model, TOKENS)


@pytest.mark.parametrize("use", USES)
def test_wider_numbers_are_as_good(use):
    USES[use](llama().double())


@pytest.mark.parametrize("where", [TOKENS.to("meta"), TOKENS.to_sparse()])
def test_windows_that_hold_no_numbers(where):
    for use in (cp.prune, cp.perplexity):
        with pytest.raises(ParameterError, match="give windows as a LongTensor"):
            use(llama(), where)


@pytest.mark.parametrize("kind", [np.int8, np.int16, np.int32, np.int64, np.uint8])
def test_numpys_whole_numbers(kind):
    one, other = llama(), llama()
    cp.quantize(one, TOKENS, bits=4, group_size=8)
    result = cp.quantize(other, TOKENS, bits=kind(4), group_size=kind(8), symmetric=np.True_)
    assert all(torch.equal(a, b) for a, b in zip(one.parameters(), other.parameters(), strict=True))
    assert type(result.grid.bits) is int
    basis, _ = cp.language_subspace(torch.eye(4), kind(2))
    assert torch.equal(basis, cp.language_subspace(torch.eye(4), 2)[0])


@pytest.mark.parametrize(
    ("given", "plain"),
    [
        ({"nm": np.array([2, 4]).tolist()}, "2:4"),
        ({"nm": (np.int32(2), np.int32(4))}, "2:4"),
        ({"sparsity": np.float32(0.5)}, 0.5),
    ],
)
def test_numpys_sparsities(given, plain):
    one, other = cp.prune(llama(), TOKENS, sparsity=plain), cp.prune(llama(), TOKENS, **given)
    assert all(torch.equal(one.masks[name], other.masks[name]) for name in one.masks)


def test_windows_of_smaller_whole_numbers():
    model = llama()
    assert cp.perplexity(model, TOKENS.int()) == cp.perplexity(model, TOKENS)
    assert cp.fidelity(model, llama(), TOKENS.short()).perplexity == cp.perplexity(model, TOKENS)


def test_paths(tiny_checkpoint):
    model, tokenizer = cp.load(Path(tiny_checkpoint), torch.device("cpu"), torch.float32)
    assert model.dtype == torch.float32
    assert tokenizer.bos_token_id == 256
