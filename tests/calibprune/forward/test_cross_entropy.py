"""Cross-entropy in pieces equals the whole, and the whole logits matrix never exists."""

import pytest
import torch
from tiny_models import tiny
from torch import nn

from calibprune.forward import cross_entropy
from calibprune.forward.cross_entropy import answer_losses, most_probable, token_losses


@pytest.fixture(autouse=True)
def small_pieces(monkeypatch):
    monkeypatch.setattr(cross_entropy, "POSITIONS", 16)
    monkeypatch.setattr(cross_entropy, "COLUMNS", 64)  # 260 entries: the last piece is ragged


def states_and_targets(model, positions: int = 50, scale: float = 1.0, seed: int = 0):
    random = torch.Generator().manual_seed(seed)
    states = scale * torch.randn(positions, model.config.hidden_size, generator=random)
    return states.to(model.dtype), torch.randint(0, model.config.vocab_size, (positions,), generator=random)


def all_logits(model, states) -> torch.Tensor:
    """All at once, in float64."""
    head = model.get_output_embeddings()
    logits = states.double() @ head.weight.double().T
    if head.bias is not None:
        logits += head.bias.double()
    logits *= getattr(model.config, "logit_scale", None) or 1
    if cap := getattr(model.config, "final_logit_softcapping", None):
        logits = cap * torch.tanh(logits / cap)
    return logits


def whole(model, states, targets) -> torch.Tensor:
    return nn.functional.cross_entropy(all_logits(model, states), targets, reduction="none")


@pytest.mark.parametrize("scale", [0.0, 1.0, 20.0])
@pytest.mark.parametrize(
    ("family", "changes"),
    [("llama", {}), ("cohere", {"logit_scale": 0.0625}), ("gemma3_text", {"final_logit_softcapping": 3.0})],
)
def test_equals_the_whole(family, changes, scale):
    model = tiny(family, num_hidden_layers=1, **changes)
    states, targets = states_and_targets(model, scale=scale)
    losses = token_losses(model, states, targets)
    assert losses.dtype == torch.float32
    torch.testing.assert_close(losses.double(), whole(model, states, targets), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("scale", [0.0, 1.0, 20.0])
@pytest.mark.parametrize(
    ("family", "changes"),
    [("llama", {}), ("cohere", {"logit_scale": 0.0625}), ("gemma3_text", {"final_logit_softcapping": 30.0})],
)
def test_several_answers_at_one_position(family, changes, scale):
    """Some positions have no answer, some the most probable token among theirs."""
    model = tiny(family, num_hidden_layers=1, **changes)
    states, _ = states_and_targets(model, scale=scale)
    rows = torch.randint(0, 50, (120,), generator=torch.Generator().manual_seed(1))
    targets = torch.randint(0, 260, (120,), generator=torch.Generator().manual_seed(2))
    favourites = all_logits(model, states).argmax(dim=1)
    targets[::3] = favourites[rows[::3]]
    losses, greedy = answer_losses(model, states, rows, targets)
    torch.testing.assert_close(losses.double(), whole(model, states[rows], targets), rtol=1e-4, atol=1e-4)
    assert greedy.tolist() == (favourites[rows] == targets).tolist()
    assert 40 <= int(greedy.sum()) < 120
    assert most_probable(model, states).tolist() == favourites.tolist()


def test_of_equally_probable_tokens_the_first_counts():
    model = tiny("llama", num_hidden_layers=1, tie_word_embeddings=False)
    states, _ = states_and_targets(model, positions=3)
    for first, second in ((3, 60), (100, 130), (0, 259)):  # within one piece of the vocabulary and in two
        model.lm_head.weight[[first, second]] = 50 * states[0]
        losses, greedy = answer_losses(model, states, torch.zeros(2, dtype=torch.long), torch.tensor([first, second]))
        assert greedy.tolist() == [True, False] and losses[0] == losses[1]
        assert most_probable(model, states)[0] == first
        model.lm_head.weight[[first, second]] = 0


def test_answers_whose_logits_overflow_an_exponential():
    model = tiny("llama", num_hidden_layers=1)
    loud = 400 * model.lm_head.weight[200:203]
    rows, targets = torch.tensor([0, 0, 1, 2]), torch.tensor([200, 5, 201, 100])
    losses, greedy = answer_losses(model, loud, rows, targets)
    assert float(losses.max()) > 100
    torch.testing.assert_close(losses.double(), whole(model, loud[rows], targets), rtol=1e-4, atol=1e-3)
    assert greedy.tolist() == [True, False, True, False]


def test_with_a_bias_on_the_output_layer():
    model = tiny("llama", num_hidden_layers=1, tie_word_embeddings=False)
    model.lm_head.bias = nn.Parameter(3 * torch.randn(260), requires_grad=False)
    states, targets = states_and_targets(model)
    torch.testing.assert_close(
        token_losses(model, states, targets).double(), whole(model, states, targets), rtol=1e-5, atol=1e-5
    )
    losses, greedy = answer_losses(model, states, torch.arange(50), targets)
    torch.testing.assert_close(losses.double(), whole(model, states, targets), rtol=1e-5, atol=1e-5)
    assert greedy.tolist() == (all_logits(model, states).argmax(dim=1) == targets).tolist()


def test_logits_that_overflow_an_exponential(monkeypatch):
    """A logit far above those of the first piece and of the target: exp(88.8) is infinite in float32."""
    model = tiny("llama", num_hidden_layers=1)
    states, targets = states_and_targets(model, scale=1.0)
    loud = torch.arange(0, 50, 3)
    states[loud] = 40 * model.lm_head.weight[200] * torch.linspace(1, 8, len(loud))[:, None]
    targets[loud] = 5
    logits = states @ model.lm_head.weight.T
    shift = torch.maximum(logits[:, :64].amax(dim=1), logits.gather(1, targets[:, None]).squeeze(1))
    assert (logits.amax(dim=1) - shift > 100).sum() >= 10, "the example is too quiet"
    redone = []
    running = cross_entropy._running_logsumexp
    monkeypatch.setattr(
        cross_entropy, "_running_logsumexp", lambda model, h, *rest: redone.append(len(h)) or running(model, h, *rest)
    )
    losses = token_losses(model, states, targets)
    assert 10 <= sum(redone) < 50
    torch.testing.assert_close(losses.double(), whole(model, states, targets), rtol=1e-4, atol=1e-3)


def test_a_certain_target_costs_nothing_and_an_impossible_one_a_lot():
    model = tiny("llama", num_hidden_layers=1)
    sharp = 300 * model.lm_head.weight[7][None]
    certain, impossible = token_losses(model, sharp, torch.tensor([7])), token_losses(model, sharp, torch.tensor([8]))
    assert abs(float(certain)) < 1e-4  # rounding of a logit of some hundreds
    assert 50 < float(impossible) < float("inf")


def test_bfloat16_is_summed_in_float32():
    model = tiny("llama", num_hidden_layers=1, dtype=torch.bfloat16)
    states, targets = states_and_targets(model, positions=200)
    losses = token_losses(model, states, targets)
    assert losses.dtype == torch.float32
    expected = whole(model, states, targets)
    torch.testing.assert_close(losses.double(), expected, rtol=0.02, atol=0.05)
    assert abs(float(losses.mean()) - float(expected.mean())) < 3e-3


def test_the_whole_logits_matrix_never_exists(monkeypatch):
    model = tiny("llama", num_hidden_layers=1)
    sizes = []
    linear = nn.functional.linear

    def spied(*args, **kwargs):
        sizes.append((product := linear(*args, **kwargs)).numel())
        return product

    states, targets = states_and_targets(model, positions=100)
    monkeypatch.setattr(nn.functional, "linear", spied)
    for count in (
        lambda: token_losses(model, states, targets),
        lambda: answer_losses(model, states, torch.arange(100).repeat(3), targets.repeat(3)),
    ):
        sizes.clear()
        count()
        assert max(sizes) <= cross_entropy.POSITIONS * cross_entropy.COLUMNS
        assert sum(sizes) == 100 * 260
