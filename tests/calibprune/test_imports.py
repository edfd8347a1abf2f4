"""What an import brings: pruning loads no package of the study, and `import calibprune` loads next to nothing."""

import json
import subprocess
import sys

import pytest

from calibbook.checkout import ROOT

STUDY = {"babel", "datasets", "lm_eval", "pandas", "pyarrow", "pydantic", "rich", "ruamel", "typer", "calibbook"}
TINY = "from tiny_models import some_tokens, tiny; from byte_tokenizer import TOKENIZER; import calibprune as cp; "
USES = {
    "prune": "cp.prune(tiny('llama'), some_tokens(), 'sparsegpt', 0.5)",
    "quantize": "cp.quantize(tiny('llama'), some_tokens(), bits=4, group_size=8)",
    "fidelity": "cp.fidelity(tiny('llama'), tiny('llama'), some_tokens())",
    "windows of messages": "cp.windows(TOKENIZER, 'chromium', ['de'], samples=2, length=16)",
    "windows of a file": "cp.windows(TOKENIZER, SOURCE, ['de'], samples=2, length=16)",
    "every name but the study": "[getattr(cp, name) for name in cp.__all__ if name != 'Study']",
    "saving": "import calibprune.saving.making",
}
ALONE, MASKS, STUDIES = "import calibprune as cp", "cp.mask_iou", "cp.Study"
SCRIPT = """
import json, sys
steps, support, SOURCE = json.loads(sys.argv[1])
sys.path.insert(0, support)
before, loaded = set(sys.modules), {}
for step in steps:
    exec(step)
    loaded[step] = sorted({name.partition(".")[0] for name in set(sys.modules) - before})
    before = set(sys.modules)
print(json.dumps(loaded))
"""


@pytest.fixture(scope="module")
def loaded(tiny_texts) -> dict[str, set[str]]:
    """What each step loads, as packages, of a process that does one after the other: so the first step that needs a
    package is the one that has it.
    """
    steps = [ALONE, MASKS, TINY, *USES.values(), STUDIES]
    command = [sys.executable, "-c", SCRIPT, json.dumps([steps, str(ROOT / "tests" / "support"), tiny_texts])]
    told = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    return {step: set(packages) for step, packages in json.loads(told).items()}


def test_the_package_alone_costs_nothing(loaded):
    assert not loaded[ALONE] & (STUDY | {"torch", "transformers", "numpy", "scipy", "yaml"})


def test_masks_are_compared_without_a_model(loaded):
    assert not loaded[MASKS] & (STUDY | {"transformers"})
    assert "torch" in loaded[MASKS]


@pytest.mark.parametrize("use", USES)
def test_pruning_needs_no_package_of_the_study(use, loaded):
    assert not loaded[USES[use]] & STUDY
    assert not loaded[TINY] & STUDY


def test_what_the_study_brings_would_be_found(loaded):
    assert {"pandas", "pydantic"} <= loaded[STUDIES] & STUDY
