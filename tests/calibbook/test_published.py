"""The book of the published run: nothing of it is computed but the small study, and nothing of the two is mixed."""

import json
import shutil
from pathlib import Path

import nbformat
import pytest
import yaml
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from calibbook import published as module
from calibbook.checkout import ROOT
from calibbook.published import build_published
from calibprune.errors import StoreError
from calibprune.files import PUBLISHED
from calibprune.study.parameters import Parameters
from calibprune.study.publishing import MANIFEST, publish
from calibprune.study.study import Study

SHOWN = """from calibprune import Study
study = Study.from_names(globals())
study.run(progress=False)
print("cells", study.parameters.languages, study.provenance()["shelf"].unique().tolist(), study.parameters.store)"""


@pytest.fixture(scope="module")
def settings(tiny_settings):
    return tiny_settings | {"methods": ["magnitude"]}


@pytest.fixture
def checkout(settings, tmp_path, monkeypatch) -> Path:
    """A checkout with one page of the book's study and one of the small study, and a published run of both."""
    root = tmp_path / "checkout"
    for name in ("notebooks", "params", "book"):
        (root / name).mkdir(parents=True)
    (root / "calibprune").symlink_to(ROOT / "calibprune")
    (root / "book" / "_ext").symlink_to(ROOT / "book" / "_ext")
    (root / "book" / "intro.md").write_text("# First page\n\n{cite}`someone`\n\n```{bibliography}\n```\n")
    (root / "book" / "references.bib").write_text(
        "@book{someone, title={T}, author={A, B}, year={2000}, publisher={P}}"
    )
    (root / "_config.yml").write_text((ROOT / "_config.yml").read_text())
    (root / "_toc.yml").write_text(
        "format: jb-book\nroot: intro\nchapters:\n  - file: executed/shown\n  - file: executed/fresh\n"
    )
    small = settings | {"languages": ["de"]}
    (root / "params" / "quick.yaml").write_text(yaml.safe_dump(small))
    defaults = Parameters().model_dump(mode="json", exclude={"numerics"}) | {
        "evaluation_languages": [],
        "numerics": None,
    }
    names = "\n".join(f"{name} = {value!r}" for name, value in defaults.items())
    for name, study in (("shown", None), ("fresh", "params/quick.yaml")):
        cells = [
            new_markdown_cell("# Title"),
            new_code_cell(names, metadata={"tags": ["parameters"]}),
            new_code_cell(SHOWN),
        ]
        notebook = new_notebook(cells=cells, metadata={"calibprune": {"study": study}} if study else {})
        nbformat.write(notebook, root / "notebooks" / f"{name}.ipynb")
    studies = {
        "whole": Study(**settings, store=str(tmp_path / "elsewhere")),
        "quick": Study(**small, store=str(tmp_path / "elsewhere")),
    }
    for study in studies.values():
        study.run(progress=False)
    publish(studies, root / PUBLISHED, 10**9)
    return root


def page(root: Path, name: str) -> str:
    cells = nbformat.read(root / "book" / "executed" / f"{name}.ipynb", as_version=4).cells
    return "".join(output.text for output in cells[-1].outputs if output.name == "stdout")


def computed(root: Path) -> set[str]:
    return {path.name for path in (root / module.STORE / "cells").iterdir()}


def test_the_published_run_is_shown_and_the_small_study_computed(checkout, capsys):
    assert build_published(checkout) == checkout / "_build" / "html" / "index.html"
    assert page(checkout, "shown") == f"cells ['de', 'sw'] ['{PUBLISHED}'] {module.STORE}\n"
    assert page(checkout, "fresh") == f"cells ['de'] [''] {module.STORE}\n"
    small = Study.from_yaml(checkout / "params" / "quick.yaml", store=str(checkout / module.STORE), shelves=[])
    assert computed(checkout) == {cell.id for cell in small.cells()}
    capsys.readouterr()
    build_published(checkout)
    assert "shown.ipynb unchanged" in capsys.readouterr().err


def test_a_published_cell_that_is_missing_or_damaged_is_named_and_not_computed(checkout, caplog):
    known = json.loads((checkout / PUBLISHED / MANIFEST).read_text())["studies"]
    identifier = next(name for name in known["whole"]["cells"] if name not in known["quick"]["cells"])
    path = checkout / PUBLISHED / "cells" / identifier / "records.parquet"
    data = path.read_bytes()
    path.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    with pytest.raises(StoreError) as caught:
        build_published(checkout)
    assert "1 cells of the published run cannot be shown" in str(caught.value) and "\n" not in str(caught.value)
    assert identifier in caplog.text and not (checkout / module.STORE / "cells").exists()
    shutil.rmtree(checkout / PUBLISHED)
    with pytest.raises(StoreError, match="holds no published run"):
        build_published(checkout)
    assert not (checkout / "_build" / "html").exists()
