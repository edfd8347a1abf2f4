"""The book of the published run: built from the records that come with the repository, beside a small study that is
computed afresh.
"""

from contextlib import chdir
from pathlib import Path

from calibbook.build import build, check_ready
from calibbook.checkout import ROOT
from calibprune.errors import StoreError
from calibprune.files import PUBLISHED
from calibprune.study.publishing import published
from calibprune.study.study import Study

AFRESH = "params/quick.yaml"
"""The study that is computed afresh, in the checkout."""
STORE = "_build/afresh"
"""Holds that study's cells. The store of other studies is left alone, so that no page mixes its cells with published
ones."""


def build_published(root: Path = ROOT) -> Path:
    """Computes the small study, and builds the book from the published run.

    Args:
        root: a checkout.

    Returns:
        `root`/_build/html/index.html.

    Raises:
        StoreError: there is no published run, or it is damaged; it is never computed here.
        CalibpruneError: as `Study.run` and `build`.
    """
    check_ready(root)
    studies = _studies(root)
    with chdir(root):  # pages name the folders, and are to name them as the checkout does
        shown = study_shown(root)
        Study.from_yaml(AFRESH, store=STORE, shelves=[]).run()
        others = {name: values for name, values in studies.items() if name != Path(AFRESH).stem}
        return build(_of_the_book(studies), root=root, inputs=shown.fingerprint(), studies=others)


def study_shown(root: Path = ROOT) -> Study:
    """The study that the book is about; all of its cells are on the published shelf. Errors as of `build_published`."""
    study = Study(**_of_the_book(_studies(root)))
    _check(study)
    return study


def _studies(root: Path) -> dict[str, dict]:
    """The parameters of the published studies by name, that of the book first."""
    return {name: about["parameters"] for name, about in published(root / PUBLISHED).items()}


def _of_the_book(studies: dict[str, dict]) -> dict:
    return next(iter(studies.values())) | {"store": STORE, "shelves": [PUBLISHED]}


def _check(study: Study) -> None:
    """Raises StoreError where a cell is not on the shelf: it may be damaged, which was said, or be another cell here,
    because the packages with its text are of other versions.
    """
    if missing := [cell for cell in study.cells() if not study.store.has(cell)]:
        raise StoreError(
            f"{PUBLISHED}: {len(missing)} cells of the published run cannot be shown, {missing[0].title} for one; "
            f"restore the folder and install the packages of constraints.txt, or compute a book of your own with "
            f"make book PARAMS=params/embedded.yaml"
        )
