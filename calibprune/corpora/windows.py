"""Token windows for calibration and validation: seeded draws of equal length, BOS first, mixtures in equal shares."""

import math
from collections.abc import Iterable, Iterator
from functools import lru_cache
from hashlib import sha256
from itertools import islice, zip_longest
from numbers import Integral

import numpy as np
import torch

from calibprune.corpora import check_languages, corpus, fingerprint
from calibprune.errors import CorpusError, ParameterError, quoted

BATCH = 64  # texts tokenised at a time: no more than a draw needs, but enough for a fast tokenizer's threads
MOST_SAMPLES = 2**63 - 1  # of what Python counts positions with
UNLIMITED = 10**9  # tokenizers that know no maximum say 10**30


def windows(
    tokenizer, source: str, languages: list[str], samples: int, length: int, seed: int = 0, split: str = "calibration"
) -> torch.Tensor:
    """Draws token windows from a source's texts.

    Every window starts with BOS where the tokenizer has one. Texts come in random order. A text of at least a
    window's tokens gives one window, at a random place; shorter texts are joined by blank lines and cut into
    windows. Once every text was seen, long texts give a second window, a third, … as far as they hold more:
    windows never overlap. The draw depends on `seed, source, language, split, length` (and the text and tokenizer)
    alone: fewer samples are a prefix of more. Several languages share `samples`: window i is of language
    i mod len(languages), so that shares differ by at most one and each language gives a prefix of its own draw.

    Args:
        languages: codes, each once.
        length: tokens of a window, BOS included.

    Returns:
        int64 [samples, length], on the CPU.

    Raises:
        ParameterError: an unknown name, a repeated language, fewer samples than languages, `length` below 2
            or above the tokenizer's maximum.
        CorpusError: the text cannot be read, or does not suffice.
    """
    length, seed = _check(tokenizer, length), _whole(seed, 0, "seed {}: give a whole number, 0 or more")
    languages = _codes(languages)
    several = f"for {len(languages)} language(s): give a whole number, at least one window a language"
    samples = _whole(samples, len(languages), "samples {} " + several, MOST_SAMPLES)
    check_languages(source, languages)
    rows: list[list[np.ndarray]] = []
    for position, language in enumerate(languages):
        share = len(range(position, samples, len(languages)))
        drawn = list(islice(_draw(tokenizer, source, language, length, seed, split), share))
        if len(drawn) < share:
            raise CorpusError(
                f"{source} has {len(drawn)} {split} windows of {length} tokens in {language}, {share} are asked "
                "for: ask for fewer samples, a smaller length, or use a source with more text"
            )
        rows.append(drawn)
    in_turn = [window for windows in zip_longest(*rows) for window in windows if window is not None]
    return torch.from_numpy(np.stack(in_turn).astype(np.int64))


def count_tokens(tokenizer, source: str, language: str, split: str = "calibration") -> int:
    """How many tokens a source's texts have, without special tokens. Errors as in `corpus`."""
    _check_tokenizer(tokenizer)
    tokens = _tokens(tokenizer, source, language, split, fingerprint(source, [language]))
    return sum(len(ids) for ids in tokens.in_order(np.arange(len(tokens.texts))))


def _check(tokenizer, length: int) -> int:
    """The length as an int, if the tokenizer is one and takes it. Raises ParameterError."""
    _check_tokenizer(tokenizer)
    length = _whole(length, 2, "window length {}: give a whole number of tokens, at least 2")
    limit = tokenizer.model_max_length
    if isinstance(limit, int | float) and limit < UNLIMITED and length > limit:
        raise ParameterError(f"window length {length}: the tokenizer's model takes at most {limit} tokens")
    return length


def _check_tokenizer(tokenizer) -> None:
    if not callable(tokenizer) or not hasattr(tokenizer, "model_max_length"):
        raise ParameterError(f"tokenizer: give one from calibprune.load, not {type(tokenizer).__name__}")


def _whole(value, least: int, otherwise: str, most: int | float = math.inf) -> int:
    """Any kind of whole number as an int: numpy's would overflow. Raises ParameterError with that line for others."""
    if isinstance(value, bool) or not isinstance(value, Integral) or not least <= value <= most:
        raise ParameterError(otherwise.format(quoted(value)))
    return int(value)


def _codes(languages) -> list[str]:
    """The language codes as a list. Raises ParameterError for what is none, is empty or names one twice."""
    if isinstance(languages, Iterable) and not isinstance(languages, str):
        found = list(languages)
        if found and len(set(map(str, found))) == len(found):
            return found
    raise ParameterError(f"languages {quoted(languages)}: give a list of language codes, each once")


def _draw(tokenizer, source: str, language: str, length: int, seed: int, split: str) -> Iterator[np.ndarray]:
    """Yields all windows of one language, each int32 [length]; ends when every text was seen once."""
    start = [] if tokenizer.bos_token_id is None else [tokenizer.bos_token_id]
    size = length - len(start)
    tokens = _tokens(tokenizer, source, language, split, fingerprint(source, [language]))
    random = _random(source, language, split, length, seed)
    order = np.argsort(random.random_raw(len(tokens.texts)), kind="stable")
    blank = tokens.blank
    rest = np.empty(0, np.int32)
    more: list[Iterator[np.ndarray]] = []
    for ids in tokens.in_order(order):
        if len(ids) >= size:
            pieces = _pieces(ids, size, random)
            yield _window(start, next(pieces))
            if len(ids) >= 2 * size:
                more.append(pieces)
            continue
        rest = np.concatenate([rest, blank, ids]) if len(rest) else ids
        while len(rest) >= size:
            yield _window(start, rest[:size])
            rest = rest[size:]
    while more:
        drawn = [(pieces, next(pieces, None)) for pieces in more]
        yield from (_window(start, ids) for _, ids in drawn if ids is not None)
        more = [pieces for pieces, ids in drawn if ids is not None]


def _pieces(ids: np.ndarray, size: int, random: np.random.PCG64) -> Iterator[np.ndarray]:
    """The pieces of a long text that do not overlap, in random order, from a random place on."""
    count = len(ids) // size
    shift = int(random.random_raw()) % (len(ids) - count * size + 1)
    order = np.argsort(random.random_raw(count), kind="stable")
    return (ids[shift + i * size : shift + (i + 1) * size] for i in order.tolist())


def _window(start: list[int], ids: np.ndarray) -> np.ndarray:
    return np.concatenate([np.array(start, np.int32), ids])


def _random(source: str, language: str, split: str, length: int, seed: int) -> np.random.PCG64:
    """Random bits of the draw. The raw stream is what numpy keeps the same between machines and versions."""
    name = "\n".join([source, language, split, str(length), str(seed)])
    return np.random.PCG64(int.from_bytes(sha256(name.encode()).digest(), "big"))


class _Tokens:
    """Texts and the token ids of those that were needed so far."""

    def __init__(self, tokenizer, texts: list[str]):
        self.texts = texts
        self._tokenizer = tokenizer
        self._ids: dict[int, np.ndarray] = {}
        self.blank = self._encode(["\n\n"])[0]

    def in_order(self, order: np.ndarray) -> Iterator[np.ndarray]:
        """Token ids of the texts, int32, in the given order of their positions."""
        for first in range(0, len(order), BATCH):
            batch = order[first : first + BATCH].tolist()
            if missing := [i for i in batch if i not in self._ids]:
                self._ids.update(zip(missing, self._encode([self.texts[i] for i in missing]), strict=True))
            yield from (self._ids[i] for i in batch if len(self._ids[i]))

    def _encode(self, texts: list[str]) -> list[np.ndarray]:
        encoded = self._tokenizer(texts, add_special_tokens=False, return_attention_mask=False, verbose=False)
        return [np.array(ids, np.int32) for ids in encoded["input_ids"]]


def _tokens(tokenizer, source: str, language: str, split: str, text: str) -> _Tokens:
    """Kept between draws: seeds and lengths tokenise nothing anew. `text` is the source's fingerprint."""
    backend = getattr(tokenizer, "backend_tokenizer", None)
    parts = tuple(repr(getattr(backend, part, None)) for part in ("normalizer", "pre_tokenizer"))
    return _known_tokens(tokenizer, (len(tokenizer), *parts), source, language, split, text)


@lru_cache(maxsize=1024)
def _known_tokens(tokenizer, state: tuple, source: str, language: str, split: str, text: str) -> _Tokens:
    """As `_tokens`; `state` changes where a tokenizer is given other tokens or rules in place."""
    return _Tokens(tokenizer, corpus(source, language, split))
