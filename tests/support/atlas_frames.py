"""A synthetic atlas in the study's schema, with effects that are planted and known."""

import numpy as np
import pandas as pd
from frames import record

from calibbook.atlas.relatedness import same
from calibbook.atlas.text import Facts
from calibprune.languages import LANGUAGES

ALL = list(LANGUAGES)


def planted(
    languages=ALL, branch=0.0, script=0.0, donors=None, recipients=None, own=0.0, noise=0.1, seed=0
) -> pd.DataFrame:
    """Increase of ln perplexity, [calibration, evaluation]: 1.5, less `branch` where branches agree and `script` where
    scripts do, plus the donor's and the recipient's own effects (ln perplexity by code, 0 where not named), and less
    `own` on the diagonal.
    """
    n = len(languages)
    values = 1.5 - branch * same(languages, "branch") - script * same(languages, "script")
    values += np.array([(donors or {}).get(code, 0.0) for code in languages])[:, None]
    values += np.array([(recipients or {}).get(code, 0.0) for code in languages])
    values += noise * np.random.default_rng(seed).standard_normal((n, n)) - own * np.eye(n)
    return pd.DataFrame(values, index=languages, columns=languages)


def atlas_frame(
    increase: pd.DataFrame, mixtures=(), methods=("wanda", "sparsegpt"), sources=("chromium", "udhr"), dense=30.0
) -> pd.DataFrame:
    """The tidy frame of a whole atlas study. A mixture's increase is the mean over its languages; the dense model's
    perplexity is `dense`, or that of each language in a mapping.
    """
    languages = list(increase.columns)
    plain = dense if isinstance(dense, dict) else dict.fromkeys(languages, dense)
    rows = {code: increase.loc[code] for code in increase.index}
    rows |= {mixture: increase.loc[mixture.split("+")].mean() for mixture in mixtures}

    def perplexity(method: str, calibration: str, source: str, language: str, value: float) -> dict:
        share, pattern = (0.0, "dense") if method == "dense" else (0.5, "unstructured")
        return record("gemma3-270m", method, share, pattern, calibration, 0, "perplexity", source, language, value)

    records = [perplexity("dense", "", source, code, plain[code]) for source in sources for code in languages]
    records += [
        perplexity(method, calibration, source, code, plain[code] * np.exp(row[code]))
        for source in sources
        for method in methods
        for calibration, row in rows.items()
        for code in languages
    ]
    return pd.DataFrame(records).astype({"layer": "Int64"})


def facts_of(languages, sources=("chromium", "udhr")) -> Facts:
    """Texts that share more tokens where scripts and branches agree."""
    languages, n = list(languages), len(languages)
    random = np.random.default_rng(0)
    shared = 0.15 + 0.1 * same(languages, "script") + 0.1 * same(languages, "branch") + 0.2 * random.random((n, n))
    shared = pd.DataFrame((shared + shared.T) / 2, languages, languages)
    per_token = {source: pd.Series(3 + random.random(n), languages) for source in sources}
    return Facts(pd.Series(np.exp(-1.3 + 0.3 * random.standard_normal(n)), languages), shared, per_token)


def predictions(loss: pd.DataFrame, method="wanda", sparsity="0.5") -> pd.DataFrame:
    """The table of predicted losses, [calibration, evaluation], of one method and sparsity."""
    return (
        loss.rename_axis(index="calibration", columns="language")
        .stack()
        .rename("value")
        .reset_index()
        .assign(method=method, sparsity=sparsity)
    )
