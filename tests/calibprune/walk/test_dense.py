"""One walk over several texts gives each text the statistics of a walk of its own, and runs every layer once."""

from collections import Counter

import pytest
import torch
from tiny_models import CONFIGS, some_tokens, tiny

from calibprune.errors import ModelError
from calibprune.kernels.gram import add_gram
from calibprune.kernels.norms import add_column_squares
from calibprune.walk.dense import statistics_by_text

TEXTS = [some_tokens(5, 24, seed=1), some_tokens(3, 24, seed=2), some_tokens(4, 16, seed=3, vocabulary=40)]
ADDS = [add_column_squares, add_gram, add_column_squares]


def statistics(model, texts, adds) -> dict[tuple[int, str], list[torch.Tensor]]:
    """By layer and component, the statistic of each text."""
    return {
        (index, name): totals
        for index, shared in enumerate(statistics_by_text(model, texts, adds))
        for totals, names in shared
        for name in names
    }


@pytest.mark.parametrize("family", CONFIGS)
def test_as_if_each_text_were_walked_alone(family, small_batches):
    """Also with windows of different lengths, which have masks and rotary embeddings of their own."""
    model = tiny(family)
    together = statistics(model, TEXTS, ADDS)
    assert len(together) == 7 * model.config.num_hidden_layers
    for number, (text, add) in enumerate(zip(TEXTS, ADDS, strict=True)):
        alone = statistics(model, [text], [add])
        assert alone.keys() == together.keys()
        for place, totals in together.items():
            assert torch.equal(totals[number], alone[place][0]), (place, number)
    q = (1, "self_attn.q_proj")
    assert not torch.allclose(together[q][0], together[q][2])


@pytest.mark.parametrize("family", ["llama", "cohere"])
def test_a_layer_is_run_once(family, small_batches):
    model, ran = tiny(family), Counter()
    for index, layer in enumerate(model.model.layers):
        layer.self_attn.register_forward_hook(lambda *_, index=index: ran.update([index]))
    statistics(model, TEXTS, ADDS)
    batches = 3 + 2 + 2  # of two windows
    assert ran == dict.fromkeys(range(model.config.num_hidden_layers), batches)


@pytest.mark.parametrize("layer", [0, 1])
def test_batches_that_are_halved_keep_their_text(layer):
    model = tiny("gemma3_text")
    before = statistics(model, TEXTS, ADDS)

    def limited(_, args):
        if len(args[0]) > 2:
            raise torch.OutOfMemoryError("CUDA out of memory")

    model.model.layers[layer].mlp.register_forward_pre_hook(limited)
    with pytest.warns(RuntimeWarning, match="out of memory"):
        after = statistics(model, TEXTS, ADDS)
    for place, totals in before.items():
        for number, total in enumerate(totals):
            torch.testing.assert_close(after[place][number].tril(), total.tril(), rtol=1e-4, atol=1e-4) if (
                total.ndim == 2
            ) else torch.testing.assert_close(after[place][number], total, rtol=1e-4, atol=1e-4)


def test_a_linear_that_is_never_called_is_found():
    model = tiny("llama")
    model.model.layers[1].mlp.spare = torch.nn.Linear(4, 4)
    with pytest.raises(ModelError, match=r"layer 1: LlamaDecoderLayer holds linears that it does not call"):
        statistics(model, TEXTS, ADDS)
