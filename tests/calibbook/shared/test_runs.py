"""What was run, in words."""

from frames import provenance, tidy

from calibbook.shared import runs, words


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
