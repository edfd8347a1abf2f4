"""A limit of memory that is reached anywhere in a study: one line, nothing half written, and the cells before stay;
with more memory the same study goes on. (A process that the system ends for want of memory is killed as by kill -9.)
"""

import signal

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
    alone = Study(**settings | {"store": str(tmp_path / "alone")}).run(progress=False)
    study = Study(**settings)

    def run(more: int) -> None:
        with with_less_memory(more):
            Study(**settings).run(progress=False)

    ends = []
    for more in (1, 12, 40, 60, 100, 2048):
        ended = in_a_child(run, more * MEGABYTE)
        ends.append(ended.status)
        if ended.status == 1:
            ended.assert_one_line("not enough memory")
        else:  # the tokenizer's library ends the process itself
            assert ended.status in (0, -signal.SIGABRT), ended
        for path in (study.store.root / "cells").glob("[!.]*"):
            assert study.store.own.flaw(path.name) == "", path
    assert 1 in ends[:-1] and ends[-1] == 0
    pd.testing.assert_frame_equal(study.run(progress=False), alone, check_exact=True)
    assert sorted(path.name for path in (study.store.root / "cells").iterdir()) == sorted(
        cell.id for cell in study.cells()
    )
