"""What the first page rests on: the choices, what English alone costs, and the claims of other pages, tested as they
are there.
"""

from dataclasses import dataclass

import pandas as pd

from calibbook.first_page.choices import COLUMNS, ENGLISH, TARGET, choices, difference, text_of
from calibbook.s04_1_pruning_results.claims import TARGET_IS_BETTER as ON_TEXT
from calibbook.s04_1_pruning_results.claims import section_4_1
from calibbook.s04_2_downstream_tasks.claims import TARGET_IS_BETTER as ON_TASKS
from calibbook.s04_2_downstream_tasks.claims import section_4_2, target_is_better
from calibbook.s04_2_downstream_tasks.data import Scores, compare
from calibbook.s04_4_multiple_languages.claims import beyond_4_4
from calibbook.s04_6_quantization.memory import at_equal_memory, at_memory, contests
from calibbook.shared.claims import Claim, claims_frame, names
from calibbook.shared.draws import FEWEST_DRAWS, ONE_DRAW
from calibbook.shared.frames import BLOCK, is_quantized, languages_of
from calibbook.shared.verdicts import UNDECIDED, decided
from calibbook.shared.words import number

ENGLISH_COSTS = "calibrating in English alone costs the other languages perplexity"
WRITES_BETTER = "calibrating in the target language writes better answers than the average other language"
CHOOSES = ("acc", "acc_norm")
"""The metrics of tasks in which an answer is chosen; in all others the model writes it."""


@dataclass(frozen=True)
class Findings:
    """Of a study, on its first evaluation text.

    Attributes:
        source: the evaluation text; empty where there is no perplexity of compressed models, and then the frames that
            rest on perplexity are empty as well.
        rows: see `choices.choices`.
        texts: the calibrations of the study, "" for none.
        target, mixtures, memory, tasks: rows of `claims.claims_frame`, corrected in the families of their own pages;
            `tasks` is about those in which an answer is chosen.
        english, rounded: the same of `english_costs`, of models that were pruned and quantized.
        written: the same of WRITES_BETTER, which stands on this page alone.
        measured: languages that `memory` is about.
        pruned, quantized: whether there is a perplexity of models that were.
        tokens: of the calibrations; items, written_items: of the columns of tasks, one number each, where an answer is
            chosen and where it is written.
    """

    source: str
    rows: pd.DataFrame
    texts: list[str]
    target: pd.DataFrame
    english: pd.DataFrame
    rounded: pd.DataFrame
    mixtures: pd.DataFrame
    memory: pd.DataFrame
    measured: list[str]
    tasks: pd.DataFrame
    written: pd.DataFrame
    pruned: bool
    quantized: bool
    tokens: list[int]
    items: list[int]
    written_items: list[int]


def findings(frame: pd.DataFrame, scores: Scores, group_size: int) -> Findings:
    """From the records of single languages, mixtures and quantized models, and the item scores of single languages, of
    tasks of either kind.
    """
    source, none = text_of(frame), claims_frame([])
    bits = frame["pattern"].map(is_quantized).astype(bool)
    measured = (frame["method"] != "dense") & (frame["metric"] == "perplexity")
    on_text = frame[~bits]
    pruned = bool((measured & ~bits).any())
    target = section_4_1(on_text) if pruned else none
    mixtures = beyond_4_4(on_text) if pruned else none
    chosen = {column: by_text for column, by_text in scores.items() if column.metric in CHOOSES}
    written = {column: by_text for column, by_text in scores.items() if column not in chosen}
    tested = section_4_2(compare(chosen), chosen)
    calibrated = frame[frame["calibration"] != ""]
    rows = choices(frame, source) if source else pd.DataFrame(columns=COLUMNS)
    rounds = rows["pattern"].map(is_quantized).astype(bool)
    memory = _memory(frame, group_size)
    return Findings(
        source,
        rows,
        list(dict.fromkeys(frame["calibration"])),
        _of(target, claim=ON_TEXT, metric="perplexity", source=source),
        english_costs(rows[~rounds]),
        english_costs(rows[rounds]),
        mixtures[mixtures["metric"].str.endswith(f"perplexity on {source}")] if len(mixtures) else none,
        _of(at_equal_memory(memory), source=source),
        _compared(memory.get(source)),
        _of(tested, claim=ON_TASKS),
        claims_frame(target_is_better(compare(written), WRITES_BETTER)) if written else none,
        pruned,
        bool((measured & bits).any()),
        sorted(set(calibrated["calibration_tokens"])),
        _items(chosen),
        _items(written),
    )


def english_costs(rows: pd.DataFrame) -> pd.DataFrame:
    """The claim ENGLISH_COSTS of every model that was compressed by one method to one setting, one row a Claim: how
    much more perplexity there is than with the target language, by `choices.difference`. All languages share the model
    that is calibrated in English, so that one draw decides nothing.
    """
    claims = []
    for block, mine in rows.groupby(BLOCK, sort=False):
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


def _compared(rows: pd.DataFrame | None) -> list[str]:
    """The languages in which models of a kind that weighs about as much are compared, of rows of `memory.at_memory`."""
    pairs = [] if rows is None else contests(rows)
    return languages_of(code for _, _, both in pairs for code in both.index)


def _items(scores: Scores) -> list[int]:
    return [next(iter(by_text.values())).shape[1] for by_text in scores.values()]


def _of(claims: pd.DataFrame, **where: str) -> pd.DataFrame:
    for name, wanted in where.items():
        claims = claims[claims[name] == wanted]
    return claims
