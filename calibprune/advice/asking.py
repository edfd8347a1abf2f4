"""From a model's name and languages to an `Advice`: what the command `calibprune advise` does.

What a candidate would be calibrated with is drawn from the source's calibration split, and what errors are computed on
from its validation split: on the very text that a mask was made from it looks a little better than it is.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

from calibprune.advice.prediction import Advice, advise, check_names, method_that_reads
from calibprune.corpora import check_languages
from calibprune.corpora.windows import windows
from calibprune.errors import ParameterError
from calibprune.languages import in_order, mixture
from calibprune.models.loading import load
from calibprune.schemes import Sparsity
from calibprune.walk.outputs import check_length


class Text(NamedTuple):
    """Windows of `length` tokens of a source, drawn with `seed`: `samples` of each language of a candidate, and
    `target_samples` of each target.
    """

    source: str = "chromium"
    samples: int = 32
    length: int = 512
    seed: int = 0
    target_samples: int = 8


def ask(
    model: str,
    candidates: Sequence[str],
    targets: Sequence[str],
    text: Text,
    method: str = "wanda",
    sparsity: float | str | Sparsity = 0.5,
    exact: bool = False,
    device: str = "auto",
    dtype: str = "auto",
    progress: Callable[[int, int], None] = lambda done, layers: None,
) -> Advice:
    """Load the model, draw the text, and `advise`. Names are checked before the model is loaded.

    Args:
        model: a name that `load` takes.
        progress: called with (layers done, layers), first with 0 when model and text are there.

    Raises:
        CalibpruneError: one line saying what cannot be used.
    """
    candidates, targets = check_names(candidates, targets)
    method_that_reads(method)
    pattern = Sparsity.of(sparsity)
    read = in_order(code for name in candidates for code in mixture(name))
    for what, codes in (("candidates", read), ("targets", targets)):
        try:
            check_languages(text.source, list(codes))
        except ParameterError as error:
            raise ParameterError(f"{what}: {error}") from None
    loaded, tokenizer = load(model, device, dtype)
    check_length(loaded, text.length)
    calibration = {code: windows(tokenizer, text.source, [code], *text[1:4]) for code in read}
    drawn = text.target_samples, text.length, text.seed, "validation"
    try:
        evaluation = {code: windows(tokenizer, text.source, [code], *drawn) for code in targets}
    except ParameterError as error:
        raise ParameterError(f"text of the targets: {error}") from None
    progress(0, loaded.config.num_hidden_layers)
    return advise(loaded, calibration, candidates, targets, method, pattern, exact, evaluation, progress)
