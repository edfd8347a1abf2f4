"""What an import brings: pruning loads no package of the study, and `import calibprune` loads next to nothing."""

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


def imported_by(code: str) -> set[str]:
    """The packages that a process of its own has loaded once it has run `code`."""
    path = f"import sys; sys.path[:0] = [{str(ROOT / 'tests' / 'support')!r}]; "
    told = "; import sys; print(*{name.partition('.')[0] for name in sys.modules})"
    return set(
        subprocess.run(
            [sys.executable, "-c", path + code + told], capture_output=True, text=True, check=True
        ).stdout.split()
    )


def test_the_package_alone_costs_nothing():
    assert not imported_by("import calibprune") & (STUDY | {"torch", "transformers", "numpy", "scipy", "yaml"})


def test_masks_are_compared_without_a_model():
    assert not imported_by("import calibprune as cp; cp.mask_iou") & (STUDY | {"transformers"})


@pytest.mark.parametrize("use", USES)
def test_pruning_needs_no_package_of_the_study(use, tiny_texts):
    assert not imported_by(TINY + USES[use].replace("SOURCE", repr(tiny_texts))) & STUDY


def test_what_the_study_brings_would_be_found():
    assert {"pandas", "pydantic"} <= imported_by("import calibprune as cp; cp.Study") & STUDY
