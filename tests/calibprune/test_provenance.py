"""Where a number comes from, in words."""

import pytest

from calibprune import provenance

PROCESSOR = "A processor, 16 cores"


@pytest.mark.parametrize(
    "known, said",
    [
        ({"machine": PROCESSOR, "device": "CPU"}, PROCESSOR),
        ({"machine": PROCESSOR, "device": "NVIDIA H200"}, f"NVIDIA H200 ({PROCESSOR})"),
        ({"machine": PROCESSOR}, PROCESSOR),
        ({}, "an unknown machine"),
    ],
)
def test_a_gpu_that_computed_is_named(known, said):
    assert provenance.where(known) == said


def test_this_machine_is_named_by_its_processor():
    assert provenance.where(provenance.machine("cpu")) == provenance.machine("cpu")["machine"]
