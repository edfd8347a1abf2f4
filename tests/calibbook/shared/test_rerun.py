"""What a reader needs to repeat a page."""

import base64
import shlex
import subprocess
import sys

import pandas as pd
import pytest
import yaml
from bs4 import BeautifulSoup
from frames import provenance, tidy

from calibbook.checkout import ROOT
from calibbook.shared import rerun
from calibbook.shared.words import duration
from calibprune.study.parameters import Parameters

FILES = sorted((ROOT / "params").glob("*.yaml"))


def parameters(name="smoke", **others) -> Parameters:
    values = yaml.safe_load((ROOT / "params" / f"{name}.yaml").read_text(encoding="utf-8"))
    return Parameters.of(values | others)


def given(command: str) -> dict:
    """What papermill makes of the options of a command, over the notebook's own values."""
    words = shlex.split(command)
    found = yaml.safe_load((ROOT / "params" / "smoke.yaml").read_text(encoding="utf-8"))
    for option, value in zip(words[3::2], words[4::2], strict=True):
        assert option in ("-f", "-y")
        found |= yaml.safe_load((ROOT / value).read_text(encoding="utf-8") if option == "-f" else value)
    return found


def test_the_command_names_the_file_whose_parameters_these_are():
    command = rerun.command(parameters(store="elsewhere"), "04_1_pruning_results")
    assert command == (
        ".venv/bin/papermill notebooks/04_1_pruning_results.ipynb out.ipynb -f params/smoke.yaml"
    )  # fmt: skip


@pytest.mark.parametrize(
    "others",
    [
        {},
        {"languages": ["ar", "sw"]},
        {"languages": ["ar", "sw"], "evaluation_languages": ["de"], "bits": [], "evaluation_samples": 3},
        {"sparsity": ["2:4", 0.25], "tasks": [], "task_limit": None},
    ],
)
@pytest.mark.parametrize("name", ["smoke", "embedded"])
def test_the_command_gives_the_same_study(name, others):
    wanted = parameters(name, **others)
    assert Parameters.of(given(rerun.command(wanted, "n"))) == wanted


def test_a_page_with_a_study_of_its_own_is_rerun_with_its_file():
    """Its cell of parameters has that study's values, so nothing need be added. It computes none: the study comes
    first.
    """
    command = rerun.command(parameters("atlas", store="elsewhere"), "atlas")
    assert command == (
        ".venv/bin/calibprune study params/atlas.yaml && "
        ".venv/bin/papermill notebooks/atlas.ipynb out.ipynb -f params/atlas.yaml"
    )
    assert "params/atlas.yaml -y" in rerun.command(parameters("atlas"), "04_1_pruning_results")


def test_a_file_that_does_not_hold_is_passed_over(tmp_path, monkeypatch):
    (tmp_path / "params").mkdir()
    for name, text in (("a.yaml", "modles: [x]"), ("smoke.yaml", (ROOT / rerun.OWN).read_text(encoding="utf-8"))):
        (tmp_path / "params" / name).write_text(text, encoding="utf-8")
    monkeypatch.setattr(rerun, "ROOT", tmp_path)
    assert "-f params/smoke.yaml" in rerun.command(parameters(), "n")


def test_papermill_takes_the_options():
    run = [sys.executable, "-m", "papermill", "--help"]
    said = subprocess.run(run, capture_output=True, text=True, check=True).stdout
    assert "-f, --parameters_file" in said and "-y, --parameters_yaml" in said


def test_only_the_parameters_that_were_used_each_with_its_meaning():
    table = rerun.parameter_table(parameters(), ("languages",), rerun.OF_TASKS)
    named = table["parameter"].tolist()
    assert {"models", "languages", "calibration_samples", "parallel_source"} <= set(named)
    assert not {"bits", "group_size", "calibration_mixtures", "mask_seeds", "sweep_sparsity", "tasks"} & set(named)
    assert "evaluation_languages" not in named and "data_mirror" not in named
    every = rerun.parameter_table(parameters(metrics=["perplexity"], evaluation_languages=["de"], bits=[4, 8]))
    values = every.set_index("parameter")["value"]
    assert values["bits"] == "4, 8" and values["evaluation_samples"] == "chromium: 2, udhr: 2"
    assert values["evaluation_languages"] == "de" and values["chat_template"] == "false"
    assert "parallel_source" not in values and "group_size" not in rerun.parameter_table(parameters(bits=[])).values
    assert every["meaning"].str.len().min() > 5 and every["allowed"].str.len().min() > 5


def test_the_time_is_that_of_the_records():
    cells = provenance(tidy())
    said = rerun.cost(cells)
    assert f"The {len(cells)} cells" in said and "on box." in said
    assert duration(cells["seconds_prune"].sum() + cells["seconds_measure"].sum()) in said
    assert "not known" in rerun.cost(pd.DataFrame())


def test_the_box_has_the_command_and_downloads(monkeypatch):
    class Study:
        parameters = parameters()

        def provenance(self, *parts):
            assert parts == ("languages",)
            return provenance(tidy())

    shown = []
    monkeypatch.setattr(rerun, "display", shown.append)
    data = pd.DataFrame({"a": [1, 2], "b": ["x", "y"]})
    rerun.show_rerun(Study(), "04_9_none", ("languages",), data, tested=data[["b"]])
    box, listed, run = (BeautifulSoup(one.html, "html.parser") for one in shown)
    assert box.select_one(".highlight pre").text == rerun.command(Study.parameters, "04_9_none")
    notebook, table, claims = box.select("a[download]")
    assert notebook["href"] == "../_sources/executed/04_9_none.ipynb" and table["download"] == "04_9_none.csv"
    assert base64.b64decode(table["href"].split(",")[1]).decode() == "a,b\n1,x\n2,y\n"
    assert claims["download"] == "04_9_none_claims.csv"
    assert base64.b64decode(claims["href"].split(",")[1]).decode() == "b\nx\ny\n"
    assert listed.details.summary.text == "Parameters of this run" and not listed.details.has_attr("open")
    assert run.details.summary.text == "What was run"
