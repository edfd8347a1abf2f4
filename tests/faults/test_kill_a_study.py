"""kill -9 at moments that nobody chose, while a study computes and writes: what is run to its end afterwards has the
records and artifacts of a study that nobody disturbed. (tests/calibprune/study/test_study.py kills at chosen moments.)
"""

import os
import random

import pandas as pd
from children import killed_after, processor_seconds

from calibprune.study.doctor import FAULT, of_store
from calibprune.study.study import Study

KILLS = int(os.environ.get("CALIBPRUNE_KILLS", "3"))
"""How many moments are tried; more for whoever has the time."""


def run(settings) -> pd.DataFrame:
    return Study(**settings).run(progress=False)


def artifacts(settings) -> dict[str, bytes]:
    study = Study(**settings)
    folders = [study.store.folder(cell) for cell in study.cells()]
    return {str(path.relative_to(study.store.root)): path.read_bytes() for folder in folders
            for path in folder.glob("*.safetensors")}  # fmt: skip


def test_a_study_that_is_killed_at_any_moment_goes_on_to_the_same_results(settings, tmp_path):
    expected = run(settings)
    whole = artifacts(settings)
    assert len(whole) > len(Study(**settings).cells())
    seconds = processor_seconds(run, settings | {"store": str(tmp_path / "timed")})
    moments = random.Random(16)
    killed = 0
    for number in range(KILLS):
        own = settings | {"store": str(tmp_path / str(number))}
        killed += killed_after(moments.random() * seconds, run, own)
        if moments.random() < 0.5:  # the second run, too
            killed_after(moments.random() * seconds, run, own)
        pd.testing.assert_frame_equal(run(own), expected, check_exact=True)
        assert artifacts(own) == whole
        faults = [one for one in of_store(own["store"]) if one.kind == FAULT and "of disk are free" not in one.what]
        assert not faults, faults
    assert killed, "no process was killed before it was done"
