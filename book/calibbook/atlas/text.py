"""The texts themselves under the model's tokenizer: the very windows that models were calibrated with and measured on,
drawn again. No model is loaded.
"""

from functools import cache, lru_cache
from typing import NamedTuple

import numpy as np
import pandas as pd

from calibbook.atlas.data import Atlas
from calibprune.corpora.windows import windows
from calibprune.models.loading import load_tokenizer
from calibprune.study.parameters import Parameters


@cache
def _tokenizer(model: str):
    return load_tokenizer(model)


@lru_cache(maxsize=512)
def _drawn(model: str, source: str, language: str, samples: int, length: int, seed: int, split: str):
    """Token ids [samples, length - 1], without BOS, or without the first token where there is none: no prediction is of
    it.
    """
    return windows(_tokenizer(model), source, [language], samples, length, seed, split).numpy()[:, 1:]


def _calibration(p: Parameters, model: str, language: str) -> np.ndarray:
    return _drawn(
        model,
        p.calibration_source,
        language,
        p.calibration_samples,
        p.calibration_length,
        p.seeds[0],
        "calibration",
    )


def fertility(p: Parameters, model: str, languages: list[str]) -> pd.Series:
    """Tokens per character of each language's calibration text (first draw)."""
    found = {}
    for code in languages:
        ids = _calibration(p, model, code)
        found[code] = ids.size / sum(map(len, _tokenizer(model).batch_decode(ids)))
    return pd.Series(found, dtype=float)


def overlap(p: Parameters, model: str, languages: list[str]) -> pd.DataFrame:
    """What two languages' calibration texts share: the sum over tokens of the smaller of the two shares of the text,
    from 0 (no token in common) to 1 (the same distribution). [languages, languages], first draw.
    """
    counted = [np.unique(_calibration(p, model, code), return_counts=True) for code in languages]
    used = np.unique(np.concatenate([ids for ids, _ in counted]))
    shares = np.zeros((len(languages), len(used)))
    for place, (ids, counts) in enumerate(counted):
        shares[place, np.searchsorted(used, ids)] = counts / counts.sum()
    found = [np.minimum(shares[place], shares).sum(axis=1) for place in range(len(languages))]
    return pd.DataFrame(found, index=languages, columns=languages)


def bytes_per_token(p: Parameters, model: str, source: str, languages: list[str]) -> pd.Series:
    """UTF-8 bytes per predicted token of the windows that models are measured on."""
    samples, length = p.of_evaluation("evaluation_samples", source), p.of_evaluation("evaluation_length", source)
    found = {}
    for code in languages:
        ids = _drawn(model, source, code, samples, length, 0, "validation")
        text = _tokenizer(model).batch_decode(ids)
        found[code] = sum(len(one.encode("utf-8", "replace")) for one in text) / ids.size
    return pd.Series(found, dtype=float)


def bits_per_byte(perplexity: pd.Series, bytes_per_token: pd.Series) -> pd.Series:
    """What a model needs to write a byte of a text: log2 of its perplexity, which is bits per token, over bytes per
    token. Unlike perplexity it does not depend on how many pieces a tokenizer cuts a text into.
    """
    return np.log2(perplexity) / bytes_per_token


class Facts(NamedTuple):
    """What is known of the texts of a model's atlases.

    Attributes:
        fertility, overlap: of the calibration texts.
        bytes_per_token: of the evaluation texts, by source.
    """

    fertility: pd.Series
    overlap: pd.DataFrame
    bytes_per_token: dict[str, pd.Series]


def facts(p: Parameters, atlases: list[Atlas]) -> dict[str, Facts]:
    """Model -> what is known of the texts behind its atlases."""
    found = {}
    for atlas in atlases:
        model, languages = atlas.block.model, atlas.languages
        if model not in found:
            found[model] = Facts(fertility(p, model, languages), overlap(p, model, languages), {})
        found[model].bytes_per_token.setdefault(atlas.source, bytes_per_token(p, model, atlas.source, languages))
    return found
