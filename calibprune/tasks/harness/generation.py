"""Greedy continuations of many prompts at once: the most probable token, again and again, from the model's own
probabilities.
"""

from collections.abc import Callable, Iterator

import torch
from torch import nn
from transformers import DynamicCache

from calibprune.forward import quicker
from calibprune.forward.cross_entropy import most_probable
from calibprune.models.families import decoder, device_of
from calibprune.tasks.harness.shared_context import finite
from calibprune.walk.outputs import check_tokens

ROWS = 64
PROMPT_TOKENS = 8192  # of a batch, with padding


@torch.no_grad()
def continuations(
    model: nn.Module,
    prompts: list[list[int]],
    most: int,
    finished: Callable[[list[list[int]]], list[bool]],
    progress: Callable[[int], None] = lambda done: None,
) -> list[list[int]]:
    """What the model writes after each prompt, up to and with the token that finishes it, and never more than `most`
    tokens.

    Sampling settings and penalties that a checkpoint suggests in its generation_config.json are not applied.

    Args:
        prompts: tokens, at least one each.
        finished: tells for texts begun (their tokens after the prompt) which are complete.
        progress: called with the number of prompts continued since the last call.

    Raises:
        ModelError: states that are not finite. ParameterError: tokens that the model has no embedding for.
    """
    check_tokens(model, 0, max((max(prompt) for prompt in prompts), default=0))
    written: list[list[int]] = [[] for _ in prompts]
    for batch in _batches(prompts):
        for number, text in zip(batch, _continue(model, [prompts[n] for n in batch], most, finished), strict=True):
            written[number] = text
        progress(len(batch))
    return written


def _batches(prompts: list[list[int]]) -> Iterator[list[int]]:
    """Numbers of prompts of about one length, the longest first."""
    batch: list[int] = []
    for number in sorted(range(len(prompts)), key=lambda n: -len(prompts[n])):
        if batch and (len(batch) == ROWS or (len(batch) + 1) * len(prompts[batch[0]]) > PROMPT_TOKENS):
            yield batch
            batch = []
        batch.append(number)
    if batch:
        yield batch


def _continue(
    model: nn.Module, prompts: list[list[int]], most: int, finished: Callable[[list[list[int]]], list[bool]]
) -> list[list[int]]:
    """One batch. A text that is complete leaves the batch, so that the rest goes on faster."""
    device = device_of(model)
    longest = max(map(len, prompts))
    ids = torch.tensor([[0] * (longest - len(prompt)) + prompt for prompt in prompts], device=device)
    mask = torch.tensor([[0] * (longest - len(prompt)) + [1] * len(prompt) for prompt in prompts], device=device)
    positions = (mask.cumsum(1) - 1).clamp(min=0)
    cache = DynamicCache(config=model.config)
    texts: list[list[int]] = [[] for _ in prompts]
    going = texts
    with quicker(model, None):
        for _ in range(most):
            states = decoder(model)(
                input_ids=ids, attention_mask=mask, position_ids=positions, past_key_values=cache
            ).last_hidden_state
            ids = most_probable(model, finite(model, states[:, -1]))[:, None]
            for text, (token,) in zip(going, ids.tolist(), strict=True):
                text.append(token)
            stays = [row for row, done in enumerate(finished(going)) if not done]
            if not stays:
                break
            mask, positions = torch.cat([mask, mask.new_ones(len(mask), 1)], dim=1), positions[:, -1:] + 1
            if len(stays) < len(going):
                kept = torch.tensor(stays, device=device)
                going = [going[row] for row in stays]
                ids, mask, positions = ids[kept], mask[kept], positions[kept]
                cache.batch_select_indices(kept)
    return texts
