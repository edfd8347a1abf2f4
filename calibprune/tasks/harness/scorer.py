"""The harness's model interface around a model in memory: its own tokens and rules, a fraction of its arithmetic.

Tokenisation, truncation and chat templates are inherited from the harness's `HFLM`, so that they are its own to the
letter. What differs is how the numbers come about: shared_context.py for log-likelihoods, generation.py for generated
answers. This file imports lm_eval, which takes seconds.
"""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import Any

from lm_eval.api.instance import Instance
from lm_eval.models.huggingface import HFLM
from lm_eval.models.utils import handle_stop_sequences, has_bos_prefix, normalize_gen_kwargs, postprocess_generated_text
from torch import nn

from calibprune.errors import ModelError, ParameterError
from calibprune.models.families import decoder
from calibprune.tasks.harness.generation import continuations
from calibprune.tasks.harness.shared_context import Asked, score

LONGEST_TEXT = 1024  # tokens that a task may have generated for one question
UNUSED = {"do_sample", "temperature", "top_k", "top_p"}  # they change nothing without sampling, which is refused
WINDOWS = 2**31  # of long texts that are scored whole: all at once, since batches are made here


class Scorer(HFLM):
    """Answers the harness's requests for a model of `calibprune.models.families` and its tokenizer, wherever the model
    is; weights are not copied.

    Log-likelihoods are summed in float32 or better, also where the model is in 16 bits. HFLM rounds each of them, and
    their sum, to the model's dtype, in which answers often tie.

    Args:
        max_length: the longest sequence in tokens; what is longer loses its beginning, as in HFLM. By default the
            model's own.
        progress: called with (done, all) while one call of the harness is worked on.

    Raises:
        ModelError: an architecture that is not supported.
    """

    def __init__(
        self,
        model: nn.Module,
        tokenizer: Any,
        max_length: int | None = None,
        progress: Callable[[int, int], None] = lambda done, total: None,
    ) -> None:
        decoder(model)
        with quiet_harness():  # which warns of every model that it did not load itself
            super().__init__(pretrained=model, tokenizer=tokenizer, max_length=max_length, batch_size=WINDOWS)
        self.progress = progress
        # the answers of one question come in a row, each with the same context
        self._encode = lru_cache(maxsize=64)(super().tok_encode)

    def tok_encode(
        self, string: str, add_special_tokens: bool | None = None, left_truncate_len: int | None = None, **_: Any
    ) -> list[int]:
        return list(self._encode(string, add_special_tokens, left_truncate_len))

    def loglikelihood(self, requests: list[Instance], disable_tqdm: bool = True) -> list[tuple[float, bool]]:
        for request in requests:
            if not request.args[1]:
                raise ParameterError(f"{_task(request)}: an answer is empty; every choice needs at least one character")
        try:
            return super().loglikelihood(requests, disable_tqdm=True)
        except _Refused as refused:
            raise ParameterError(f"{_task(requests[refused.number])}: {refused}") from None

    def loglikelihood_rolling(self, requests: list[Instance], disable_tqdm: bool = True) -> list[float]:
        return super().loglikelihood_rolling(requests, disable_tqdm=True)

    def _loglikelihood_tokens(
        self, requests: list[tuple[Any, list[int], list[int]]], **_: Any
    ) -> list[tuple[float, bool]]:
        """Of (texts, tokens of the context, tokens of the answer)."""
        asked: dict[Asked, list[int]] = {}
        for number, (texts, context, answer) in enumerate(requests):
            if not context or not 0 < len(answer) <= self.max_length:
                raise _Refused(
                    number,
                    f"{len(answer)} tokens after {len(context)} of context, {str(texts)[:80]}; needed are "
                    f"1 to {self.max_length} after at least 1",
                )
            whole = (context + answer)[-(self.max_length + 1) :]
            asked.setdefault(Asked(tuple(whole[:-1]), tuple(answer)), []).append(number)
        found: list[tuple[float, bool]] = [(0.0, False)] * len(requests)
        for numbers, (log_likelihood, greedy) in zip(
            asked.values(), score(self.model, list(asked), self._steps(len(asked))), strict=True
        ):
            for number in numbers:
                found[number] = (log_likelihood, greedy)
        return found

    def generate_until(self, requests: list[Instance], disable_tqdm: bool = True) -> list[str]:
        """Greedy answers, cut before the first stop string; at most `max_gen_toks` tokens each, 256 where a task does
        not say.

        Raises:
            ParameterError: a task that wants sampling, another way of decoding, or more tokens than LONGEST_TEXT or the
            model's context.
        """
        alike: dict[tuple[tuple[str, ...], int], dict[str, list[int]]] = {}
        for number, request in enumerate(requests):
            context, settings = request.args
            alike.setdefault(self._checked(settings, _task(request)), {}).setdefault(context, []).append(number)
        step = self._steps(sum(map(len, alike.values())))
        texts = [""] * len(requests)
        for (until, most), contexts in alike.items():
            prompts = [self._prompt(context, self.max_length - most) for context in contexts]
            for numbers, written in zip(
                contexts.values(), continuations(self.model, prompts, most, self._finished(until), step), strict=True
            ):
                text = postprocess_generated_text(self.tok_decode(written), list(until), None)
                for number in numbers:
                    texts[number] = text
        return texts

    def _checked(self, settings: dict[str, Any], task: str) -> tuple[tuple[str, ...], int]:
        """Stop strings, the end-of-text token's among them, and the longest text in tokens."""
        wanted = normalize_gen_kwargs(settings, self.max_gen_toks)
        eos = None if self.eot_token_id is None else self.tok_decode(self.eot_token_id, skip_special_tokens=False)
        until, most = tuple(handle_stop_sequences(wanted.pop("until"), eos)), wanted.pop("max_gen_toks")
        refused = ["do_sample"] if wanted["do_sample"] else sorted(set(wanted) - UNUSED)
        if refused:
            raise ParameterError(
                f"{task}: generation_kwargs set {', '.join(refused)}, but answers are greedy here; leave it out"
            )
        limit = min(LONGEST_TEXT, self.max_length - 1)
        if not 0 < most <= limit:
            raise ParameterError(f"{task}: max_gen_toks is {most}; choose 1 to {limit}")
        return until, most

    def _prompt(self, context: str, longest: int) -> list[int]:
        plain = {"add_special_tokens": False} if has_bos_prefix(context, self.tokenizer.bos_token) else {}
        return self.tokenizer.encode(context, **plain)[-longest:] or [self.prefix_token_id]

    def _finished(self, until: tuple[str, ...]) -> Callable[[list[list[int]]], list[bool]]:
        """Whether a text holds a stop string or ends with an end-of-text token; only its end is looked at, since it is
        asked after each token.
        """
        ends = _ids(self.eot_token_id) | _ids(
            getattr(getattr(self.model, "generation_config", None), "eos_token_id", None)
        )
        tail = max(len(stop.encode()) for stop in ("", *until)) + 1  # every token has at least one byte

        def finished(texts: list[list[int]]) -> list[bool]:
            decoded = self.tokenizer.batch_decode([text[-tail:] for text in texts])
            return [
                text[-1] in ends or any(stop in end for stop in until if stop)
                for text, end in zip(texts, decoded, strict=True)
            ]

        return finished

    def _steps(self, total: int) -> Callable[[int], None]:
        """Progress in steps to progress as a share."""
        done = 0

        def step(more: int) -> None:
            nonlocal done
            done += more
            self.progress(done, total)

        return step

    def apply_chat_template(self, chat_history: list[dict[str, str]], add_generation_prompt: bool = True) -> str:
        """As HFLM.

        Raises:
            ModelError: the model's tokenizer has none.
        """
        if not self.tokenizer.chat_template:
            raise ModelError(
                f"{self.tokenizer.name_or_path or type(self.model).__name__}: no chat template; evaluate "
                f"this model without one"
            )
        return super().apply_chat_template(chat_history, add_generation_prompt)


class _Refused(ParameterError):
    """A request that cannot be scored, by its number."""

    def __init__(self, number: int, reason: str) -> None:
        super().__init__(reason)
        self.number = number


@contextmanager
def quiet_harness() -> Iterator[None]:
    """Without the harness's notices; what is wrong is said in exceptions."""
    logger = logging.getLogger("lm_eval")
    level = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        logger.setLevel(level)


def _task(request: Instance) -> str:
    return f"task {request.task_name}" if request.task_name else "a request"


def _ids(token: int | list[int] | None) -> set[int]:
    return set() if token is None else {token} if isinstance(token, int) else set(token)
