"""What was run, in words."""

from frames import provenance, tidy

from calibbook.shared import runs, words
from calibprune import Study
from calibprune.files import PUBLISHED
from calibprune.study.parameters import NUMERICS


def test_what_was_run_adds_up():
    cells = provenance(tidy(seeds=(0, 1)))
    lines = runs.what_was_run(cells).set_index("what")["value"]
    assert lines["cells"] == str(len(cells)) == str(1 + 2 * 7 * 2)
    assert lines["time pruning"] == words.duration(30.0 * len(cells)) == "14 min 30 s"
    assert lines["seeds of the calibration draw"] == "0, 1"
    assert lines["versions, torch"] == "2.13.0" and lines["machine"] == "box"
    digests = cells.assign(checksums=[{"model": "0" * 64, "text": f"{i % 2:040x}"} for i in range(len(cells))])
    lines = runs.what_was_run(digests).set_index("what")["value"]
    assert lines["checksums, model"] == "0" * 12 + "…" and "checksums, text" in lines
    table = runs.cell_table(cells)
    assert len(table) == len(cells) and table.calibration[0] == "none" and table.method[0] == "Dense"


def test_a_page_says_which_run_it_shows(tmp_path):
    study = Study(store=str(tmp_path), shelves=[])
    cells = provenance(tidy(seeds=(0,))).assign(shelf=PUBLISHED)
    machine = cells["machine"].iloc[0]
    day = str(cells["date"].iloc[0])[:10]
    line = runs.run_shown(study, provenance=cells)
    assert repr(line) == f"Shown: 15 models of the published run, computed on {day} on {machine}."
    cells.loc[:4, "shelf"] = ""
    cells.loc[:1, "date"] = "2020-01-02T00:00:00"
    line = repr(runs.run_shown(study, provenance=cells))
    assert (
        f"5 models of the run of this checkout, computed from 2020-01-02 to {day} on {machine} and 10 models of" in line
    )
    older = Study(store=str(tmp_path), shelves=[], numerics=NUMERICS - 1)
    assert f"version {NUMERICS - 1} of the computation; this checkout has version {NUMERICS}." in repr(
        runs.run_shown(older, provenance=cells)
    )
    assert "no models" in repr(runs.run_shown(study, provenance=cells[:0]))
