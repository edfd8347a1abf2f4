"""The sections that test claims: what each reads of a study, and how its page tests them."""

from collections.abc import Callable, Iterable
from typing import NamedTuple

import pandas as pd

from calibbook.s04_1_pruning_results.claims import section_4_1
from calibbook.s04_2_downstream_tasks.claims import section_4_2
from calibbook.s04_2_downstream_tasks.data import Scores, compare, item_scores, reported
from calibbook.s04_3_open_domain_qa.claims import section_4_3
from calibbook.s04_4_multiple_languages.claims import beyond_4_4, section_4_4
from calibbook.s04_4_multiple_languages.data import TARGET, against
from calibbook.s04_5_model_sizes import data as sizes
from calibbook.s04_5_model_sizes.claims import section_4_5
from calibbook.s04_6_quantization.claims import section_4_6
from calibbook.s04_6_quantization.memory import at_equal_memory, at_memory
from calibbook.s04_6_quantization.tables import compare_widths, of_width
from calibbook.s05_1_subspaces.claims import section_5_1, whole_embeddings
from calibbook.s05_1_subspaces.data import changes, separated, that_changed
from calibbook.s05_2_pruning_masks import data as masks
from calibbook.s05_2_pruning_masks.claims import language_beyond_draw, section_5_2
from calibbook.s05_3_language_neurons import data as neurons
from calibbook.s05_3_language_neurons.claims import section_5_3
from calibbook.s05_3_language_neurons.survival import kept, kept_claims
from calibbook.s05_analysis.claims import section_5
from calibbook.s06_conclusion.claims import section_6
from calibbook.shared.frames import BLOCK, METRICS, measured, sources
from calibbook.shared.widths import hidden_widths
from calibbook.shared.words import in_caption
from calibprune import Study


class Tested(NamedTuple):
    """Tests that rest on the same measurements.

    Attributes:
        claims: rows of `claims.claims_frame`.
        items: what was measured, in words: `8 questions`, `254 tokens`; a range where it differs. Empty if not known.
        draws: of calibration text, `1` or `1 to 3`. Empty if not known.
    """

    claims: pd.DataFrame
    items: str = ""
    draws: str = ""


class Section(NamedTuple):
    """A section of the paper whose page tests claims.

    Attributes:
        number: as claims.yaml writes it.
        page: the notebook's name without suffix.
        parts: of a study, those that the page reads.
        test: every test that the page shows, of a study whose cells of `parts` are all there.
        about: the part of a study that the page is about, and what it consists of, where not every study has it.
    """

    number: str
    page: str
    parts: tuple[str, ...]
    test: Callable[[Study, pd.DataFrame], list[Tested]]
    about: tuple[str, str] = ("", "")


def pruning_results(study: Study, frame: pd.DataFrame) -> list[Tested]:
    return [_on_text(section_4_1(frame), frame)]


def downstream_tasks(study: Study, frame: pd.DataFrame) -> list[Tested]:
    scores = item_scores(study, reported(study), "languages")
    return [_on_tasks(section_4_2(compare(scores), scores), scores)]


def open_domain_qa(study: Study, frame: pd.DataFrame) -> list[Tested]:
    scores = item_scores(study, reported(study, generated=True), "languages")
    return [_on_tasks(section_4_3(compare(scores), scores), scores)]


def multiple_languages(study: Study, frame: pd.DataFrame) -> list[Tested]:
    metrics = (reported(study, generated) for generated in (False, True))
    choices, answers = (item_scores(study, named, "languages", "mixtures") for named in metrics)
    scores = choices | answers
    found = [_on_tasks(section_4_4(scores, against(scores, TARGET)), scores)]
    return [*found, _on_text(beyond_4_4(frame), frame)] if "perplexity" in measured(frame) else found


def model_sizes(study: Study, frame: pd.DataFrame) -> list[Tested]:
    studies = [study, *(other.study for other in sizes.other_studies(study) if other.study)]
    models = list(dict.fromkeys(model for one in studies for model in one.parameters.models))
    if len(models) < 2:
        return []
    frame, scores = sizes.records(studies), sizes.scores_of(studies)
    return [_on_tasks(section_4_5(frame, scores, models), scores)]


def quantization(study: Study, frame: pd.DataFrame) -> list[Tested]:
    scores = item_scores(study, reported(study), "languages", "quantization")
    found = [_on_tasks(section_4_6(compare_widths(scores), scores), scores)]
    if "perplexity" in measured(of_width(frame), pruned=True):
        size = study.parameters.group_size
        texts = (source for source in sources(frame) if source)
        found.append(_on_text(at_equal_memory({text: at_memory(frame, text, size) for text in texts}), frame))
    return found


def subspaces(study: Study, frame: pd.DataFrame) -> list[Tested]:
    widths = hidden_widths(study.store, study.cells("languages"))
    found = [section_5_1(frame, widths)]
    if separated(frame) and len(that_changed(changes(frame))):
        found.append(whole_embeddings(frame))
    sentences = frame.loc[frame["metric"].str.startswith("delta"), "n"]
    return [Tested(claims, _counted(sentences, "sentences"), _draws(frame)) for claims in found]


def pruning_masks(study: Study, frame: pd.DataFrame) -> list[Tested]:
    cells = masks.keeping(study.cells("languages", "draws"))
    if not cells:
        return []
    found = masks.comparable(masks.similarities(study.store, cells))
    draws = in_caption(found["draws"]) if len(found) else ""
    return [Tested(claims, draws=draws) for claims in (section_5_2(found), language_beyond_draw(found))]


def language_neurons(study: Study, frame: pd.DataFrame) -> list[Tested]:
    cells = study.cells("languages", "sweep")
    if neurons.missing(cells):
        return []
    tokens = _counted([one.samples * one.length for one in neurons.recorded(cells)[0].evaluations[:1]], "tokens")
    return [
        Tested(section_5_3(study.store, cells), tokens, "1"),
        Tested(kept_claims(kept(study.store, cells)), tokens, str(len(study.parameters.seeds_of_singles()))),
    ]


def analysis(study: Study, frame: pd.DataFrame) -> list[Tested]:
    return [_on_text(section_5(frame), frame)]


def conclusion(study: Study, frame: pd.DataFrame) -> list[Tested]:
    scores = item_scores(study, reported(study) | reported(study, generated=True), "languages")
    return [_on_tasks(section_6(frame, scores), scores)]


MIXTURES = "mixtures", "mixture of calibration languages"
QUANTIZED = "quantization", "quantized model"
SECTIONS = (
    Section("4.1", "04_1_pruning_results", ("languages", "mixtures"), pruning_results),
    Section("4.2", "04_2_downstream_tasks", ("languages",), downstream_tasks),
    Section("4.3", "04_3_open_domain_qa", ("languages",), open_domain_qa),
    Section("4.4", "04_4_multiple_languages", ("languages", "mixtures"), multiple_languages, MIXTURES),
    Section("4.5", "04_5_model_sizes", ("languages",), model_sizes),
    Section("4.6", "04_6_quantization", ("languages", "quantization"), quantization, QUANTIZED),
    Section("5", "05_analysis", ("languages",), analysis),
    Section("5.1", "05_1_subspaces", ("languages",), subspaces),
    Section("5.2", "05_2_pruning_masks", ("languages", "draws"), pruning_masks),
    Section("5.3", "05_3_language_neurons", ("languages", "sweep"), language_neurons),
    Section("6", "06_conclusion", ("languages",), conclusion),
)


def _on_text(claims: pd.DataFrame, frame: pd.DataFrame) -> Tested:
    rows = frame[frame["metric"].isin(list(METRICS))]
    return Tested(claims, _counted(rows["n"], "tokens"), _draws(rows))


def _on_tasks(claims: pd.DataFrame, scores: Scores) -> Tested:
    answers = [(text, found) for by_text in scores.values() for text, found in by_text.items()]
    draws = [len(found) for text, found in answers if text]
    questions = _counted([found.shape[1] for _, found in answers], "questions")
    return Tested(claims, questions, in_caption(draws) if draws else "")


def _counted(numbers: Iterable[int], of: str) -> str:
    """`1,020 tokens`, `510 to 1,020 tokens`; empty without any."""
    numbers = list(numbers)
    return f"{in_caption(numbers)} {of}" if numbers else ""


def _draws(frame: pd.DataFrame) -> str:
    """Draws of each calibration text, by the records."""
    rows = frame[frame["calibration"] != ""]
    return in_caption(rows.groupby([*BLOCK, "calibration"])["seed"].nunique()) if len(rows) else ""
