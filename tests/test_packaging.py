"""What an installation holds, and that each of its sizes works: the wheel alone, with the book, with the tests."""

import re
import subprocess
import sys
import zipfile
from pathlib import Path
from shutil import copy, copytree, ignore_patterns

import pytest
import yaml
from closure import PROJECT, canonical, closure, link, needed
from packaging.requirements import Requirement

from calibbook.checkout import ROOT

BOOK = tuple(re.search(r"^EXTRAS := (.*)$", (ROOT / "Makefile").read_text(), re.MULTILINE)[1].split(","))
"""The extras that `make book` installs."""
TOOLS = {"pip", "setuptools", "wheel"}
"""They install packages and are not held to a version."""

PRUNE = """
import sys
import calibprune as cp
assert not {"torch", "transformers"} & set(sys.modules), "import calibprune is not light"
import torch
from transformers import LlamaConfig, LlamaForCausalLM

torch.manual_seed(0)
config = LlamaConfig(vocab_size=64, hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=4)
tokens = torch.randint(64, (4, 16))
for method in ("magnitude", "wanda", "sparsegpt"):
    model = LlamaForCausalLM(config).eval()
    cp.prune(model, tokens, method=method, sparsity=0.5)
    pruned = [linear.weight for name, linear in model.named_modules() if name.endswith("_proj")]
    halves = [(weight == 0).sum().item() - weight.numel() // 2 for weight in pruned]
    # SparseGPT prunes the weight at its threshold as well
    assert len(pruned) == 14 and set(halves) <= {0, 1}, (method, halves)
dense = LlamaForCausalLM(config).eval()
cp.quantize(model, tokens, bits=4, group_size=16)
assert cp.fidelity(dense, model, tokens).perplexity > 1
print("calibprune from", cp.__file__)
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """The wheel of this checkout, built by the installed setuptools."""
    source = tmp_path_factory.mktemp("source")
    copytree(ROOT / "calibprune", source / "calibprune", ignore=ignore_patterns("__pycache__"))
    copytree(ROOT / "book" / "calibbook", source / "book" / "calibbook", ignore=ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        copy(ROOT / name, source)
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "--no-index"]
    subprocess.run([*command, "--wheel-dir", source / "dist", source], check=True)
    (built,) = (source / "dist").glob("*.whl")
    return built


def environment(folder: Path, *wheels: Path, distributions: dict) -> Path:
    """A venv that finds `distributions` and what `wheels` hold, and nothing else; returns its Python."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True)
    (site,) = folder.glob("lib/python*/site-packages")
    link(distributions, site)
    for wheel in wheels:
        zipfile.ZipFile(wheel).extractall(site)
    return folder / "bin" / "python"


def run(python: Path, code: str) -> str:
    ended = subprocess.run([python, "-I", "-c", code], capture_output=True, text=True, cwd=python.parent)
    assert ended.returncode == 0, ended.stderr[-2000:]
    return ended.stdout


def test_the_wheel_holds_calibprune_alone_and_whole(wheel):
    names = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    kept = {
        path.relative_to(ROOT).as_posix()
        for path in (ROOT / "calibprune").rglob("*")
        if path.is_file() and path.suffix != ".pyc"
    }
    assert names == kept
    assert any(name.endswith("facts_sw.yaml") for name in names) and any(name.endswith("_yaml") for name in names)


@pytest.fixture(scope="module")
def bare(wheel, tmp_path_factory):
    """The Python of a venv with the wheel and what it requires."""
    return environment(tmp_path_factory.mktemp("bare"), wheel, distributions=closure(needed()))


def test_the_wheel_with_what_it_requires_prunes(bare):
    assert str(bare.parents[1]) in run(bare, PRUNE)


def test_a_study_that_is_not_installed_is_named_with_its_remedy(bare):
    absent = ["lm_eval", "pandas", "datasets", "triton", "matplotlib", "calibbook", "pytest"]
    run(bare, f"from importlib.util import find_spec\nassert not any(map(find_spec, {absent}))")
    said = run(bare, "import calibprune as cp\ntry:\n cp.Study\nexcept ImportError as error:\n print(error)")
    assert said == "calibprune.Study needs pandas, which is not installed: pip install 'calibprune[study]'\n"


def test_the_book_needs_no_triton_and_nothing_of_the_tests(wheel, tmp_path):
    """Every file of the book imports with what `make book` installs."""
    distributions = closure(needed(*BOOK))
    of_torch = closure([Requirement("torch")])  # a build for CUDA wants Triton
    assert not ({"pytest", "triton", "ruff"} - set(of_torch)) & set(distributions)
    python = environment(tmp_path / "venv", wheel, distributions=distributions)
    (site,) = (tmp_path / "venv").glob("lib/python*/site-packages")
    copytree(ROOT / "book" / "calibbook", site / "calibbook", ignore=ignore_patterns("__pycache__"))
    modules = [
        ".".join(path.relative_to(root).with_suffix("").parts).removesuffix(".__init__")
        for root in (ROOT, ROOT / "book")
        for path in sorted((root / ("calibprune" if root == ROOT else "calibbook")).rglob("*.py"))
        if not path.stem.endswith("_triton") and path.stem != "__main__"
    ]
    run(python, f"from importlib import import_module\nfor name in {modules}: import_module(name)")


def pinned() -> dict[str, str]:
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    pins = [line.split("==") for line in lines if not line.startswith("#")]
    return {canonical(name): version for name, version in pins}


def test_everything_that_is_installed_has_its_version_in_constraints():
    pins = pinned()
    every = closure(needed(*BOOK, "test", "export", "kernels"))
    # a build of torch for CUDA brings CUDA's libraries
    found = {
        name: one for name, one in every.items() if name not in TOOLS and not name.startswith(("nvidia-", "cuda-"))
    }
    assert {name: distribution.version.split("+")[0] for name, distribution in found.items()}.items() <= pins.items()
    alone = {
        canonical(name)
        for name in re.search(r"^ALONE := (.*)$", (ROOT / "Makefile").read_text(), re.MULTILINE)[1].split()
    }
    assert set(pins) == set(found) | alone


def test_the_versions_in_constraints_are_those_that_pyproject_allows():
    pins, extras = pinned(), PROJECT["optional-dependencies"].items()
    for line in [
        *PROJECT["dependencies"],
        *(line for extra, lines in extras if extra not in ("grid", "vllm") for line in lines),
    ]:
        requirement = Requirement(line)
        if (name := canonical(requirement.name)) not in TOOLS:
            assert pins[name] in requirement.specifier, f"{line}: constraints.txt says {pins[name]}"


def test_condas_environment_is_that_of_make_book():
    described = yaml.safe_load((ROOT / "environment.yml").read_text())
    *conda, pip = described["dependencies"]
    python = next(line for line in conda if line.startswith("python"))
    assert PROJECT["requires-python"] == python.replace("python=", ">=")
    assert {"git", "make", "nodejs", "pip"} < set(conda)
    assert pip == {
        "pip": ["--constraint constraints.txt", f"--editable .[{','.join(BOOK)}]", "--editable ./book"],
    }
    assert (ROOT / "book" / "pyproject.toml").is_file()
