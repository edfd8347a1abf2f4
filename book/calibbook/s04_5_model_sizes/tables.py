"""The tables of Section 4.5: which models are compared, what is missing, and which verdicts two models share."""

from collections.abc import Collection

import pandas as pd

from calibbook.s04_5_model_sizes.data import Other, Pair, family, parameters_of, short
from calibbook.shared.verdicts import HELD, NOT_HELD, VERDICTS
from calibbook.shared.words import listed

ABOUT = ["source", "metric", "method", "sparsity"]


def model_table(models: Collection[str], frame: pd.DataFrame, files: dict[str, str]) -> pd.DataFrame:
    """One row a model: its family, weights, and draws of calibration text in the records; `files` has the parameter
    files of those that are not of the study itself.
    """
    lines = []
    for model in models:
        draws = frame.loc[(frame["model"] == model) & (frame["calibration"] != ""), "seed"].nunique()
        lines.append(
            {
                "model": model,
                "family": family(model),
                "weights": _weights(parameters_of(model)),
                "draws": str(draws or "–"),
                "from": files.get(model, "this study"),
            }
        )
    return pd.DataFrame(lines)


def _weights(count: int | None) -> str:
    if count is None:
        return "not known"
    return f"{count / 1e9:.1f} billion" if count >= 1e9 else f"{count / 1e6:.3g} million"


def which_models(found: Collection[Pair]) -> str:
    """Whether the pairs of models are sizes or families, in a sentence."""
    sizes = [pair.label for pair in found if pair.sizes]
    families = [pair.label for pair in found if not pair.sizes]
    parts = [f"{'; '.join(sizes)}: {'two sizes of one family' if len(sizes) == 1 else 'each two sizes of one family'}"]
    said = parts if sizes else []
    if families:
        each = "" if len(families) == 1 else "each "
        said.append(
            f"{'; '.join(families)}: {each}two families rather than two sizes, so that a difference between them may "
            f"come from either"
        )
    return ". ".join(said) + "." if said else ""


def what_is_missing(model: str, others: Collection[Other], command: str) -> list[str]:
    """Sentences for a study of one model: what the page needs, and how to get it."""
    said = [
        f"This run has one model, {short(model)}. The page compares two, so its tables have nothing to show.",
    ]
    for one in others:
        said.append(
            f"`{one.file}` asks the same of {listed(map(short, one.models))}, and is not there: {one.missing}. "
            f"`.venv/bin/calibprune study {one.file}` computes what is missing; this page reads it."
        )
    if not others:
        said.append(
            "No file in params/ asks the same of another model. Copy this study's file and change `models` alone, then "
            "compute it with `calibprune study`; or name several models in one study, such as `models: "
            "[gemma3-270m, smollm2-135m]`."
        )
    return [*said, f"Then this page is made again by `{command}`, or with the book."]


def same_verdicts(claims: pd.DataFrame, found: Collection[Pair]) -> pd.DataFrame:
    """One row a pair of models and claim of Sections 4.1 and 4.2: its verdicts in both, and in how many tests they are
    the same; of those that are decided in both, how many contradict each other.

    claims: rows of `claims.claims_frame`, by model.
    """
    lines = []
    for pair in found:
        small, large = (claims[claims["model"] == model] for model in pair[:2])
        both = small.merge(large, on=["claim", *ABOUT], suffixes=("_small", "_large"))
        for claim, rows in both.groupby("claim", sort=False):
            one, other = rows["verdict_small"], rows["verdict_large"]
            decided = one.isin([HELD, NOT_HELD]) & other.isin([HELD, NOT_HELD])
            lines.append(
                {
                    "claim": claim,
                    "models": pair.label,
                    "first": _tally(one),
                    "second": _tally(other),
                    "same verdict": f"{int((one == other).sum())} of {len(rows)}",
                    "contradict each other": f"{int((decided & (one != other)).sum())} of {int(decided.sum())} decided",
                }
            )
    return pd.DataFrame(lines)


def _tally(verdicts: pd.Series) -> str:
    counts = verdicts.value_counts()
    return ", ".join(f"{counts[verdict]} {verdict}" for verdict in VERDICTS if counts.get(verdict, 0))
