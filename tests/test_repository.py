"""The repository itself: notebooks without outputs, parameter files that hold, no traces of the machine it was written
on.
"""

import ast
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from calibbook.checkout import ROOT
from calibbook.notebooks import own_study
from calibprune.study.parameters import Parameters

NOTEBOOKS = sorted((ROOT / "notebooks").rglob("*.ipynb"))
PARAMETERIZED = sorted((ROOT / "notebooks").glob("*.ipynb"))
"""All but those of the laboratory."""
PARAMETER_FILES = sorted((ROOT / "params").glob("*.yaml"))
# put together here, so that this file does not hold what it looks for
PATHS = "|".join(f"/{name}/" for name in ("work", "root", "opt"))
HOSTS = "|".join(
    re.escape(".".join(parts))
    for parts in (("pypi", "org"), ("pythonhosted", "org"), ("registry", "npmjs", "org"), ("conda", "anaconda", "org"))
)
MACHINE = re.compile(rf"(?<![\w.~*-])(?:{PATHS})|{HOSTS}")


def tracked() -> list[Path]:
    """Files that git keeps, or would keep once added."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    if listed.returncode:
        pytest.skip("not a git checkout: which files belong to the repository is not known")
    return [path for name in listed.stdout.split("\0") if name and (path := ROOT / name).is_file()]


def cells(path: Path, kind: str = "code") -> list[dict]:
    return [cell for cell in json.loads(path.read_text(encoding="utf-8"))["cells"] if cell["cell_type"] == kind]


def test_there_are_notebooks_and_parameter_files():
    assert "04_1_pruning_results.ipynb" in {path.name for path in NOTEBOOKS}
    assert {"smoke.yaml", "embedded.yaml", "gemma3-270m.yaml", "llama3-8b.yaml", "aya23-8b.yaml"} <= {
        path.name for path in PARAMETER_FILES
    }


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.name)
def test_notebooks_have_no_stored_outputs(path):
    for cell in cells(path):
        assert cell["outputs"] == []
        assert cell["execution_count"] is None
    assert "papermill" not in json.loads(path.read_text(encoding="utf-8"))["metadata"]


@pytest.mark.parametrize("path", PARAMETERIZED, ids=lambda path: path.name)
def test_notebooks_take_every_parameter_and_have_the_smoke_values_or_those_of_their_own_study(path):
    tagged = [cell for cell in cells(path) if "parameters" in cell["metadata"].get("tags", [])]
    assert len(tagged) == 1
    assigned = {
        line.targets[0].id: ast.literal_eval(line.value) for line in ast.parse("".join(tagged[0]["source"])).body
    }
    assert list(assigned) == list(Parameters.model_fields)
    expected = Parameters.from_yaml(ROOT / (own_study(path) or "params/smoke.yaml"))
    assert Parameters.of(assigned) == expected


def test_every_notebook_is_a_page_of_the_table_of_contents():
    contents = yaml.safe_load((ROOT / "_toc.yml").read_text(encoding="utf-8"))
    pages = [contents["root"], *(chapter["file"] for part in contents["parts"] for chapter in part["chapters"])]
    executed = [page.removeprefix("executed/") for page in pages if page.startswith("executed/")]
    named = [path.relative_to(ROOT / "notebooks").with_suffix("").as_posix() for path in NOTEBOOKS]
    assert sorted(executed) == sorted(named)


@pytest.mark.parametrize("path", PARAMETER_FILES, ids=lambda path: path.name)
def test_parameter_files_hold(path):
    assert Parameters.from_yaml(path).models


@pytest.mark.parametrize(
    ("name", "seeds"),
    [
        ("llama3-8b.yaml", 3),
        ("aya23-8b.yaml", 3),
        ("llama31-8b.yaml", 3),
        ("llama3-70b.yaml", 1),
        ("aya23-35b.yaml", 1),
    ],
)
def test_the_papers_own_settings(name, seeds):
    checked = Parameters.from_yaml(ROOT / "params" / name)
    assert (checked.calibration_source, checked.calibration_samples, checked.calibration_length) == ("mc4", 128, 8192)
    assert len(checked.seeds) == seeds
    assert len(checked.languages) == 7


def test_no_file_holds_paths_of_a_machine_or_hosts_of_package_registries():
    found = []
    for path in tracked():
        try:
            text = path.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue  # not a text file
        found += [
            f"{path.relative_to(ROOT)}:{number}: {line.strip()[:100]}"
            for number, line in enumerate(text.splitlines(), 1)
            if MACHINE.search(line)
        ]
    assert not found, "\n".join(found)


@pytest.mark.parametrize(
    "text", ["cd /{}/main".format("work"), '"/{}/.cache"'.format("root"), "https://{}.org/simple".format("pypi")]
)
def test_such_traces_would_be_found(text):
    assert MACHINE.search(text)


def test_no_words_that_promise_later_work():
    words = re.compile(r"\b(" + "|".join(["TO" + "DO", "FIX" + "ME", "X" + "XX"]) + r")\b")
    found = [
        path.relative_to(ROOT)
        for path in tracked()
        if path.suffix in {".py", ".md", ".yaml", ".yml", ".ipynb", ".toml", ".css", ".js"}
        and words.search(path.read_text(encoding="utf-8"))
    ]
    assert not found


@pytest.mark.parametrize(
    "entry", [["ruff", "check"], ["ruff", "format", "--check"], ["nbstripout", "--verify", "--keep-id"]], ids=" ".join
)
def test_what_a_commit_is_checked_with_finds_nothing(entry):
    """The hooks of .pre-commit-config.yaml, over every file."""
    (repository,) = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"]
    (hook,) = [hook for hook in repository["hooks"] if hook["name"] == " ".join(entry)]
    assert hook["entry"].split() == [f".venv/bin/{entry[0]}", *entry[1:]]
    kinds = {"python": ".py", "jupyter": ".ipynb"}
    files = [path for path in tracked() if path.suffix in {kinds[kind] for kind in hook["types_or"]}]
    checked = subprocess.run(
        [Path(sys.executable).with_name(entry[0]), *entry[1:], *files], cwd=ROOT, capture_output=True, text=True
    )
    assert files and checked.returncode == 0, checked.stdout + checked.stderr


def test_every_line_of_the_list_of_slow_tests_names_one():
    for line in (ROOT / "tests" / "slow.txt").read_text().splitlines():
        if not line.startswith("#"):
            path, _, name = line.partition("::")
            assert (ROOT / path).is_file(), line
            assert f"def {name or 'test_'}" in (ROOT / path).read_text(encoding="utf-8"), line


def test_what_contributing_says_draws_the_papers_tables_is_there():
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    named = re.findall(r"`(\w+/\w+\.py): (\w+)`", text)
    assert len(named) >= 12
    for file, function in named:
        assert f"\ndef {function}(" in (ROOT / "book" / "calibbook" / file).read_text(encoding="utf-8"), (
            file,
            function,
        )
