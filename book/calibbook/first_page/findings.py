"""What the first page rests on: the choices, what English alone costs, and the claims of other pages, tested as they
are there.
"""

from dataclasses import dataclass

import pandas as pd

from calibbook.first_page.choices import COLUMNS, ENGLISH, TARGET, choices, difference, text_of
from calibbook.s04_1_pruning_results.claims import TARGET_IS_BETTER as ON_TEXT
from calibbook.s04_1_pruning_results.claims import section_4_1
from calibbook.s04_2_downstream_tasks.claims import TARGET_IS_BETTER as ON_TASKS
from calibbook.s04_2_downstream_tasks.claims import section_4_2
from calibbook.s04_2_downstream_tasks.data import Scores, compare
from calibbook.s04_4_multiple_languages.claims import beyond_4_4
from calibbook.s04_6_quantization.memory import at_equal_memory, at_memory
from calibbook.shared.claims import Claim, claims_frame, names
from calibbook.shared.draws import FEWEST_DRAWS, ONE_DRAW
from calibbook.shared.frames import BLOCK, is_quantized
from calibbook.shared.verdicts import UNDECIDED, decided
from calibbook.shared.words import number

ENGLISH_COSTS = "calibrating in English alone costs the other languages perplexity"


@dataclass(frozen=True)
class Findings:
    """Of a study, on its first evaluation text.

    Attributes:
        source: the evaluation text; empty where there is no perplexity of compressed models, and then the frames that
            rest on perplexity are empty as well.
        rows: see `choices.choices`.
        texts: the calibrations of the study, "" for none.
        target, mixtures, memory, tasks: rows of `claims.claims_frame`, corrected in the families of their own pages.
        english: the same of `english_costs`.
        pruned, quantized: whether there is a perplexity of models that were.
        tokens: of the calibrations; items: of the columns of tasks, one number each.
    """

    source: str
    rows: pd.DataFrame
    texts: list[str]
    target: pd.DataFrame
    english: pd.DataFrame
    mixtures: pd.DataFrame
    memory: pd.DataFrame
    tasks: pd.DataFrame
    pruned: bool
    quantized: bool
    tokens: list[int]
    items: list[int]


def findings(frame: pd.DataFrame, scores: Scores, group_size: int) -> Findings:
    """From the records of single languages, mixtures and quantized models, and the item scores of single languages."""
    source, none = text_of(frame), claims_frame([])
    bits = frame["pattern"].map(is_quantized).astype(bool)
    measured = (frame["method"] != "dense") & (frame["metric"] == "perplexity")
    on_text = frame[~bits]
    pruned = bool((measured & ~bits).any())
    target = section_4_1(on_text) if pruned else none
    mixtures = beyond_4_4(on_text) if pruned else none
    tested = section_4_2(compare(scores), scores)
    calibrated = frame[frame["calibration"] != ""]
    rows = choices(frame, source) if source else pd.DataFrame(columns=COLUMNS)
    return Findings(
        source,
        rows,
        list(dict.fromkeys(frame["calibration"])),
        _of(target, claim=ON_TEXT, metric="perplexity", source=source),
        english_costs(rows),
        mixtures[mixtures["metric"].str.endswith(f"perplexity on {source}")] if len(mixtures) else none,
        _of(at_equal_memory(_memory(frame, group_size)), source=source),
        _of(tested, claim=ON_TASKS),
        pruned,
        bool((measured & bits).any()),
        sorted(set(calibrated["calibration_tokens"])),
        [next(iter(by_text.values())).shape[1] for by_text in scores.values()],
    )


def english_costs(rows: pd.DataFrame) -> pd.DataFrame:
    """The claim ENGLISH_COSTS of every model that was pruned by one method to one setting, one row a Claim: how much
    more perplexity there is than with the target language, by `choices.difference`. All languages share the model that
    is calibrated in English, so that one draw decides nothing.
    """
    claims = []
    for block, mine in rows[~rows["pattern"].map(is_quantized).astype(bool)].groupby(BLOCK, sort=False):
        if not {ENGLISH, TARGET} <= set(mine["choice"]):
            continue
        middle, low, high = (100 * end for end in difference(mine, ENGLISH, TARGET))
        found = {"what": f"{'+' * (middle > 0)}{number(middle)}%", "statistic": middle, "low": low, "high": high}
        found |= {"unit": "%", "n": mine["language"].nunique()} | decided(low, high)
        shared = mine[mine["choice"] == ENGLISH]  # the model that all languages share
        if found["verdict"] != UNDECIDED and shared["draws"].min() < FEWEST_DRAWS:
            found |= {"verdict": UNDECIDED, "note": ONE_DRAW}
        claims.append(Claim(ENGLISH_COSTS, **names(block), **found))
    return claims_frame(claims)


def _memory(frame: pd.DataFrame, group_size: int) -> dict[str, pd.DataFrame]:
    """Evaluation text -> rows of `memory.at_memory`, as on the page of Section 4.6."""
    read = frame.loc[frame["metric"] == "perplexity", "source"]
    return {source: at_memory(frame, source, group_size) for source in dict.fromkeys(read)}


def _of(claims: pd.DataFrame, **where: str) -> pd.DataFrame:
    for name, wanted in where.items():
        claims = claims[claims[name] == wanted]
    return claims
