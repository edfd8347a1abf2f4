"""Answers for languages that a study does not measure, from the atlas, where its records are beside the study's."""

from collections.abc import Collection
from dataclasses import replace

import numpy as np
import pandas as pd

from calibbook.atlas import records
from calibbook.i_have_a_language.data import CHOICE, PARTS, Answer, Run, answers
from calibbook.shared.frames import is_quantized
from calibbook.shared.words import in_caption
from calibprune import Study

ENOUGH_WINDOWS = 8
"""Of fewer the standard error over windows is itself a guess, and an interval made of it says nothing."""


def from_the_atlas(study: Study, known: Collection[Answer]) -> Run | None:
    """What the atlas answers for the languages that `known`, the answers of the study itself, are not about; None where
    there is no atlas (`atlas.records.beside`), or nothing that it adds.
    """
    atlas = records.beside(study)
    if atlas is None:
        return None
    frame = records.read(atlas)
    asked = {(one.question.model, one.question.language) for one in known}
    found = [
        one
        for one in answers(atlas, without_guesses(frame, atlas))
        if (one.question.model, one.question.language) not in asked
    ]
    if not found:
        return None
    beside = [_beside(one, found) for one in found]
    said, alone = about(frame, atlas), pruned_alone(frame)
    return Run(beside, atlas.parameters, atlas.provenance(*PARTS), said, "the atlas", alone)


def without_guesses(frame: pd.DataFrame, study: Study) -> pd.DataFrame:
    """Records whose standard errors are not known where they come from fewer than ENOUGH_WINDOWS windows."""
    windows = {source: _windows(study, source) for source in study.parameters.evaluation_source}
    return frame.assign(stderr=frame["stderr"].where(frame["source"].map(windows) >= ENOUGH_WINDOWS))


def about(frame: pd.DataFrame, study: Study) -> str:
    """What the answers of the atlas rest on, in sentences."""
    p = study.parameters
    calibrated = frame[frame["calibration"] != ""]
    seeds = len(p.seeds_of_singles())
    draws = "one draw" if seeds == 1 else f"{seeds} draws"
    windows = [_windows(study, source) for source in p.evaluation_source]
    said = (
        f"From the atlas, a study of {len(p.languages)} languages with little text in each: {draws} of "
        f"{in_caption(calibrated['calibration_tokens'])} tokens to calibrate in, and perplexity on "
        f"{in_caption(calibrated['n'])} tokens of a text, in {in_caption(windows)} windows."
    )
    said += " The commands repeat that amount: take more text where you have it."
    if pruned_alone(frame):
        said += (
            " It measured no quantization: whether to quantize rather than prune is what this page says first, and "
            "there is a command for either."
        )
    if max(windows) >= ENOUGH_WINDOWS:
        return said
    return (
        f"{said} Of so few windows and draws there is no interval: that another text is better is not known, choices "
        "may well change places on other text, and the one to take is the language itself."
    )


def pruned_alone(frame: pd.DataFrame) -> bool:
    """Whether no model was quantized."""
    return not frame["pattern"].map(is_quantized).any()


def _windows(study: Study, source: str) -> int:
    return study.parameters.of_evaluation("evaluation_samples", source)


def _beside(one: Answer, found: list[Answer]) -> Answer:
    """With the place that the best has by the other measures of the same model, language and method or memory."""
    best = tuple(one.ranked[CHOICE].iloc[0])
    places = []
    for other in found:
        same = other.question._replace(measure=one.question.measure) == one.question
        if same and other.question.measure != one.question.measure:
            rows = other.ranked[CHOICE].itertuples(index=False, name=None)
            place = next((place for place, choice in enumerate(rows, 1) if choice == best), np.nan)
            places.append(f"By {other.question.measure} it is number {place} of {len(other.ranked)}.")
    return replace(one, elsewhere=" ".join(places))
