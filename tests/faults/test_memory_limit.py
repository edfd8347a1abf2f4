"""A limit of memory that is reached anywhere in a study: one line, nothing half written, and the cells before stay;
with more memory the same study goes on. (A process that the system ends for want of memory is killed as by kill -9.)
"""

import pandas as pd
from byte_tokenizer import TOKENIZER
from children import in_a_child, with_less_memory
from tiny_models import tiny

from calibprune.study.study import Study

MEGABYTE = 2**20


def test_a_study_with_ever_more_memory(settings, tmp_path):
    model = tmp_path / "model"
    wide = {"hidden_size": 256, "intermediate_size": 512, "num_hidden_layers": 4}
    tiny("llama", **wide).save_pretrained(model)
    TOKENIZER.save_pretrained(model)
    settings |= {"models": [str(model)], "methods": ["sparsegpt"], "calibration_samples": 16}
    study = Study(**settings)
    cells = len(study.cells())

    def run(more: int) -> None:
        with with_less_memory(more):
            Study(**settings).run(progress=False)

    ends = []
    for more in (1, 8, 16, 24, 32, 48, 64, 96, 2048):
        ended = in_a_child(run, more * MEGABYTE)
        ends.append(ended.status)
        if ended.status:
            ended.assert_one_line("not enough memory")
        for path in (study.store.root / "cells").glob("[!.]*"):
            assert study.store.own.flaw(path.name) == "", path
        assert len(list((study.store.root / "cells").glob(".*"))) == 0
    assert ends[0] == 1 and ends[-1] == 0
    assert sum(map(study.store.has, study.cells())) == cells
    alone = Study(**settings | {"store": str(tmp_path / "alone")}).run(progress=False)
    pd.testing.assert_frame_equal(study.run(progress=False), alone, check_exact=True)
