"""kill -9 at moments that nobody chose, while a study computes and writes: what is run to its end afterwards has the
records and artifacts of a study that nobody disturbed. (tests/calibprune/study/test_study.py kills at chosen moments.)
"""

import os
import random
from pathlib import Path

import pandas as pd
from children import killed_after, processor_seconds

from calibprune.study.doctor import FAULT, ROOM, of_store
from calibprune.study.study import Study

KILLS = int(os.environ.get("CALIBPRUNE_KILLS", "3"))
"""How many moments are tried; more for whoever has the time."""


def run(settings) -> pd.DataFrame:
    return Study(**settings).run(progress=False)


def artifacts(store: Path) -> dict[str, bytes]:
    return {str(path.relative_to(store)): path.read_bytes() for path in store.rglob("*.safetensors")}


def test_a_study_that_is_killed_at_any_moment_goes_on_to_the_same_results(settings, undisturbed, tmp_path, monkeypatch):
    monkeypatch.setattr("calibprune.study.doctor.ROOM", min(ROOM, 1))  # of the disk of this machine nothing is asked
    expected, whole = undisturbed[1], artifacts(undisturbed[0])
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
        assert artifacts(Path(own["store"])) == whole
        assert [one for one in of_store(own["store"]) if one.kind == FAULT] == []
    assert killed, "no process was killed before it was done"
