"""What the interpreter lets pass may not compile: every kernel is compiled for GPUs of two generations, of which none
need be there.
"""

import os
import subprocess
import sys
from collections import Counter

import pytest

from calibbook.checkout import ROOT

pytest.importorskip("triton", reason="triton is an optional extra")


@pytest.fixture(scope="module")
def compiled(tmp_path_factory):
    environment = {name: value for name, value in os.environ.items() if name != "TRITON_INTERPRET"}
    environment |= {"TRITON_CACHE_DIR": str(tmp_path_factory.mktemp("triton")), "TRITON_DEFAULT_FP_FUSION": "1"}
    script = ROOT / "tests" / "support" / "compile_kernels.py"
    done = subprocess.run(
        [sys.executable, script, "80", "90"], env=environment, capture_output=True, text=True, cwd=ROOT, timeout=600
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout.splitlines()


def test_every_kernel_compiles_for_every_generation(compiled):
    found = Counter(line.split()[0] for line in compiled)
    each = {"_gram": 3, "_column_squares": 1, "_rows": 2, "_groups": 2, "_count": 4, "_mark": 1, "_solve_block": 5}
    assert found == {name: 2 * number for name, number in (each | {"_pack": 1, "_fold": 1, "_pairs": 1}).items()}


def test_products_are_done_by_tensor_cores_from_data_copied_ahead(compiled):
    for line in compiled:
        if line.startswith("_gram"):
            assert ("wgmma.mma_async" if " 90 " in line else "mma.sync") in line, line
            assert "cp.async.cg" in line, line


def test_what_rounding_hangs_on_is_divided_exactly(compiled):
    assert not [line for line in compiled if "div.full.f32" in line]
    assert all("div.rn.f32" in line for line in compiled if line.startswith("_solve_block"))
