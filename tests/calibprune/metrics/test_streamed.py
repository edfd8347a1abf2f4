"""Fidelity of models that are read layer by layer is that of the same models in memory, to the last digit."""

import pytest
import torch
from byte_tokenizer import TOKENIZER
from tiny_models import CONFIGS, some_tokens, tiny

from calibprune.errors import ParameterError
from calibprune.metrics.fidelity import fidelity
from calibprune.metrics.streamed import streamed_fidelity
from calibprune.models.loading import load
from calibprune.models.streaming import stream
from calibprune.walk.layerwise import prune


def folders(tmp_path, family, dtype=torch.float32):
    """A model and its pruned copy, saved."""
    model = tiny(family, dtype=dtype)
    for name in ("dense", "pruned"):
        model.save_pretrained(tmp_path / name)
        TOKENIZER.save_pretrained(tmp_path / name)
        prune(model, some_tokens(seed=9), "wanda", 0.5)
    return tmp_path / "dense", tmp_path / "pruned"


def both(h, output):
    return torch.stack([(h * output).sum(), h.abs().max()])


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("family", CONFIGS)
def test_it_is_that_of_the_models_in_memory(family, dtype, tmp_path, small_batches):
    places, tokens = folders(tmp_path, family, dtype), some_tokens(samples=5)
    expected = fidelity(*(load(place, "cpu", dtype)[0] for place in places), tokens, {"both": both})
    streamed = [stream(place, "cpu", dtype)[0] for place in places]
    (tmp_path / "scratch").mkdir()
    found = streamed_fidelity(*streamed, tokens, tmp_path / "scratch", {"both": both})
    assert found == expected
    assert torch.equal(found.sums["both"], expected.sums["both"])
    assert all(error > 0 for error in found.pruning_error)
    assert list((tmp_path / "scratch").iterdir()) == []


def test_sides_that_do_not_fit_and_windows_that_predict_nothing(tmp_path):
    dense, pruned = (stream(place, "cpu", "float32")[0] for place in folders(tmp_path, "llama"))
    tiny("llama", num_hidden_layers=2).save_pretrained(tmp_path / "other")
    TOKENIZER.save_pretrained(tmp_path / "other")
    other, _ = stream(tmp_path / "other", "cpu", "float32")
    with pytest.raises(ParameterError, match="another family, depth or width"):
        streamed_fidelity(other, pruned, some_tokens())
    with pytest.raises(ParameterError, match="a window of one token predicts nothing"):
        streamed_fidelity(dense, pruned, some_tokens(length=1))
