"""Which file may import which. Each rule is a function from the folder of a checkout to the places that break it; a
test breaks it in a copy and sees it found.
"""

import ast
import json
import re
import shutil
from collections.abc import Iterable, Iterator
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import NamedTuple

import pytest

from calibbook.checkout import ROOT

GROUND = ("errors", "languages", "provenance", "schemes", "files")
ORDER = (
    GROUND,
    ("kernels", "forward"),
    ("models", "corpora"),
    ("methods",),
    ("walk",),
    ("advice",),
    ("metrics", "saving"),
    ("tasks",),
    ("study",),
    ("commands",),
    ("cli",),
    ("__main__",),
)
"""The parts of calibprune, bottom to top: each imports those below it. Two of one line know nothing of each other."""
LEVEL = {part: level for level, parts in enumerate(ORDER) for part in parts}
SOURCES = {"calibprune": "calibprune", "calibbook": "book/calibbook"}

EARLIER = {
    "s04_2_downstream_tasks": {"s04_1_pruning_results"},
    "s04_3_open_domain_qa": {"s04_2_downstream_tasks"},
    "s04_4_multiple_languages": {"s04_1_pruning_results", "s04_2_downstream_tasks"},
    "s04_5_model_sizes": {"s04_1_pruning_results", "s04_2_downstream_tasks"},
    "s04_6_quantization": {"s04_1_pruning_results", "s04_2_downstream_tasks"},
    "s05_analysis": {"s04_1_pruning_results"},
    "s06_conclusion": {"s04_1_pruning_results", "s04_2_downstream_tasks"},
    "appendix_g_neurons": {"s05_3_language_neurons"},
    "reproduced": {"s04_1_pruning_results", "s04_2_downstream_tasks"},
    "i_have_a_language": {"atlas", "s04_1_pruning_results", "s04_2_downstream_tasks", "s04_6_quantization"},
    "first_page": {
        "atlas",
        "s04_1_pruning_results",
        "s04_2_downstream_tasks",
        "s04_4_multiple_languages",
        "s04_6_quantization",
    },
    "teaching": {"s04_2_downstream_tasks"},
    "slides": {"s04_2_downstream_tasks", "first_page", "ledger", "teaching"},
    "ledger": {
        "s04_5_model_sizes",
        "s05_analysis",
        "s06_conclusion",
        "s04_1_pruning_results",
        "s04_2_downstream_tasks",
        "s04_3_open_domain_qa",
        "s04_4_multiple_languages",
        "s04_6_quantization",
        "s05_1_subspaces",
        "s05_2_pruning_masks",
        "s05_3_language_neurons",
    },
}
"""The rooms that a room and the notebook of its name import beside `shared`. Those that are not here import none."""

DYNAMIC = {
    "calibprune/__init__.py": "a name of the package is imported when it is first used",
    "calibprune/methods/installed.py": "methods of other packages, by their entry points",
    "calibprune/models/packaged.py": "the weights of a model are an optional package",
}
"""The files that import what no import statement names, and why."""
DYNAMICALLY = {"import_module", "__import__", "entry_points", "exec_module", "runpy"}

TESTS_AT_THE_TOP = {"test_notebooks.py", "test_packaging.py", "test_repository.py", "test_rules.py"}
"""The tests of the whole. Every other one stands in tests/calibprune, tests/calibbook or tests/browser."""


class Import(NamedTuple):
    """`module` imports `target`, both dotted names; `names` are what it takes from there, empty for `import target`."""

    module: str
    target: str
    names: tuple[str, ...]
    where: str


def modules(root: Path) -> dict[str, Path]:
    """The dotted names of both packages' files."""
    found = {}
    for package, folder in SOURCES.items():
        for path in sorted((root / folder).rglob("*.py")):
            parts = (package, *path.relative_to(root / folder).with_suffix("").parts)
            found[".".join(parts).removesuffix(".__init__")] = path
    return found


def imports(root: Path) -> list[Import]:
    """What both packages' files import from both packages, also inside functions. `calibprune/__init__.py` is left
    out: it imports a name of its face when that is first used (`against_a_heavy_face`).
    """
    known, found = modules(root), []
    for module, path in known.items():
        if module == "calibprune":
            continue
        for node in _statements(path.read_text(encoding="utf-8")):
            where = f"{path.relative_to(root)}:{node.lineno}"
            if isinstance(node, ast.Import):
                found += [Import(module, alias.name, (), where) for alias in node.names]
            else:
                base = _absolute(node, module, path)
                for name in (alias.name for alias in node.names):
                    inner = f"{base}.{name}"
                    found.append(
                        Import(module, inner, (), where) if inner in known else Import(module, base, (name,), where)
                    )
    return [one for one in found if one.target.split(".")[0] in SOURCES]


@cache
def _statements(source: str) -> list[ast.Import | ast.ImportFrom]:
    """Every import of a file, at any depth."""
    return [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Import | ast.ImportFrom)]


def _absolute(node: ast.ImportFrom, module: str, path: Path) -> str:
    if not node.level:
        return node.module or ""
    package = module.split(".") if path.name == "__init__.py" else module.split(".")[:-1]
    return ".".join([*package[: len(package) - node.level + 1], *filter(None, [node.module])])


def rooms_of(root: Path) -> set[str]:
    """The folders of calibbook, but for `shared`."""
    return {path.parent.name for path in (root / SOURCES["calibbook"]).glob("*/*.py")} - {"shared"}


def part(module: str) -> str:
    """`kernels` of `calibprune.kernels.gram`; empty for the package itself."""
    return ".".join(module.split(".")[1:2])


def against_the_order(root: Path) -> list[str]:
    """Parts of calibprune import those below them, and nothing of calibbook."""
    found = []
    for module in modules(root):
        if module.startswith("calibprune.") and part(module) not in LEVEL:
            found.append(f"{module}: '{part(module)}' has no place in ORDER of tests/test_rules.py")
    for module, target, names, where in imports(root):
        own, other = part(module), part(target)
        if not module.startswith("calibprune."):
            continue
        if target.split(".")[0] == "calibbook":
            found.append(f"{where}: calibprune imports calibbook")
        elif target == "calibprune" and names != ("__version__",):
            found.append(f"{where}: the package imports its own face; import from the file that has it")
        elif own in LEVEL and other in LEVEL and not _below(other, own):
            found.append(f"{where}: {own} imports {other}, which does not stand below it")
    return found


def against_a_heavy_face(root: Path) -> list[str]:
    """`import calibprune` imports nothing of either package: its `__init__.py` does so in functions alone, and there
    nothing of calibbook.
    """
    path = root / "calibprune" / "__init__.py"
    source = path.read_text(encoding="utf-8")
    at_once = {ast.unparse(node): _targets(node) for node in _run_by_import(ast.parse(source).body)}
    ever = {ast.unparse(node): _targets(node) & {"calibbook"} for node in _statements(source)}
    return [
        f"calibprune/__init__.py: `{line}` imports {', '.join(sorted(targets))}"
        for line, targets in (ever | at_once).items()
        if targets
    ]


def _run_by_import(nodes: Iterable[ast.AST]) -> Iterator[ast.AST]:
    """What is executed when a file is imported: no function's body, and nothing that only type checkers read."""
    for node in nodes:
        if isinstance(node, ast.If) and ast.unparse(node.test) in ("TYPE_CHECKING", "typing.TYPE_CHECKING"):
            yield from _run_by_import(node.orelse)
        elif not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node
            yield from _run_by_import(ast.iter_child_nodes(node))


def _targets(node: ast.AST) -> set[str]:
    """Which of the two packages a node of calibprune/__init__.py imports; whatever it imports dynamically counts."""
    if isinstance(node, ast.Import):
        return {alias.name.split(".")[0] for alias in node.names} & set(SOURCES)
    if isinstance(node, ast.ImportFrom):
        return {"calibprune"} if node.level else {node.module.split(".")[0]} & set(SOURCES)
    return {"dynamically"} if isinstance(node, ast.Name) and node.id in DYNAMICALLY else set()


def against_dynamic_imports(root: Path) -> list[str]:
    """Files import by statements, which these rules read; `DYNAMIC` has the exceptions."""
    found = []
    for path in modules(root).values():
        where = path.relative_to(root).as_posix()
        tree = ast.parse(path.read_text(encoding="utf-8"))
        named = {
            getattr(node, field)
            for node in ast.walk(tree)
            for kind, field in ((ast.Name, "id"), (ast.Attribute, "attr"), (ast.alias, "name"))
            if isinstance(node, kind)
        }
        if where not in DYNAMIC:
            found += [f"{where}: {name} imports what these rules cannot see" for name in sorted(named & DYNAMICALLY)]
    return found


def against_hidden_folders(root: Path) -> list[str]:
    """A folder with Python files has an `__init__.py`; without one it is not installed."""
    folders = {path.parent for path in modules(root).values()}
    return [
        f"{folder.relative_to(root).as_posix()}: has no __init__.py"
        for folder in sorted(folders)
        if not (folder / "__init__.py").is_file()
    ]


def _below(other: str, own: str) -> bool:
    return other == own or LEVEL[other] < LEVEL[own] or {other, own} <= set(GROUND)


def against_the_rooms(root: Path) -> list[str]:
    """A room of calibbook imports `shared` and the rooms that `EARLIER` names, `shared` no room, neither of them what
    builds the book; a room has the name of a notebook, or of a folder of them.
    """
    rooms = rooms_of(root)
    folder = root / "notebooks"
    notebooks = {path.stem for path in folder.glob("*.ipynb")} | {path.parent.name for path in folder.glob("*/*.ipynb")}
    found = [
        f"{room}: no notebook of this name" for room in sorted(rooms) if re.sub(r"^s(?=\d)", "", room) not in notebooks
    ]
    for module, target, _, where in imports(root):
        own, other = part(module), part(target)
        if not target.startswith("calibbook.") or own == other or own not in {*rooms, "shared"}:
            continue
        if other in rooms and other not in EARLIER.get(own, ()):
            found.append(f"{where}: {own} imports {other}, which EARLIER of tests/test_rules.py does not have")
        elif other not in {*rooms, "shared", "checkout"}:
            found.append(f"{where}: {own} imports {other}, which builds the book from it")
    return found


def notebooks_against_the_rooms(root: Path) -> list[str]:
    """The code of a notebook names its own room and those that `EARLIER` has for it, and no other."""
    found, rooms = [], rooms_of(root)
    for path in sorted((root / "notebooks").rglob("*.ipynb")):
        cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
        code = "\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "code")
        name = path.stem if path.parent == root / "notebooks" else path.parent.name
        own = name if name in {*rooms, *EARLIER} else f"s{name}"
        named = {room for room in rooms if re.search(rf"\b{room}\b", code)}
        found += [f"{path.name} names {room}" for room in sorted(named - {own} - EARLIER.get(own, set()))]
    return found


def against_the_pairs(root: Path) -> list[str]:
    """A kernel is x.py with at most x_triton.py beside it, and Triton is used there alone."""
    folder = root / "calibprune" / "kernels"
    names = {path.stem for path in folder.glob("*.py")}
    found = [f"kernels/{path.parent.name}/: a kernel is a file" for path in sorted(folder.glob("*/*.py"))]
    for name in sorted(names):
        beside = sorted(other for other in names if other.startswith(f"{name}_") and other != f"{name}_triton")
        found += [f"kernels/{other}.py: beside {name}.py stands {name}_triton.py alone" for other in beside]
        if name.endswith("_triton") and name.removesuffix("_triton") not in names:
            found.append(f"kernels/{name}.py: belongs to no {name.removesuffix('_triton')}.py")
    for module, path in modules(root).items():
        imported = set()
        for node in _statements(path.read_text(encoding="utf-8")):
            named = [alias.name for alias in node.names] if isinstance(node, ast.Import) else [node.module or ""]
            imported |= {name.split(".")[0] for name in named}
        if "triton" in imported and not (path.parent == folder and path.stem.endswith("_triton")):
            found.append(f"{module}: Triton is used in kernels/*_triton.py alone")
    return found


def against_the_mirror(root: Path) -> list[str]:
    """Every folder below tests/calibprune and tests/calibbook is a folder of that package; no test stands elsewhere,
    but for those of the pages, of faults, of a cluster and of the whole; and tests of calibprune import no room of
    calibbook.
    """
    found = []
    for folder in ("tests", *SOURCES.values(), "notebooks"):
        for path in sorted((root / folder).rglob("test_*.py")):
            name = path.relative_to(root).as_posix()
            placed = re.match(r"tests/(calibprune|calibbook|browser|faults|cluster)/", name)
            if not placed and name not in {f"tests/{top}" for top in TESTS_AT_THE_TOP}:
                found.append(f"{name}: a test of one package, or in TESTS_AT_THE_TOP of tests/test_rules.py")
    rooms = rooms_of(root)
    for path in sorted((root / "tests" / "calibprune").rglob("*.py")):
        for node in _statements(path.read_text(encoding="utf-8")):
            words = set(re.findall(r"\w+", ast.unparse(node)))
            found += [f"{path.relative_to(root)}: imports {room}" for room in sorted(words & rooms)]
    for package, source in SOURCES.items():
        tests = root / "tests" / package
        for folder in sorted({path.parent for path in tests.rglob("*.py")}):
            if not (root / source / folder.relative_to(tests) / "__init__.py").is_file():
                found.append(f"{folder.relative_to(root)}: no folder of {package}")
    return found


def circles(root: Path) -> list[str]:
    """Files that import each other round about."""
    known = modules(root)
    graph = {module: set() for module in known}
    for module, target, _, _ in imports(root):
        if target in known and target != "calibprune":
            graph[module].add(target)
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        return [" -> ".join(reversed(error.args[1]))]
    return []


RULES = (
    against_the_order,
    against_a_heavy_face,
    against_dynamic_imports,
    against_hidden_folders,
    against_the_rooms,
    notebooks_against_the_rooms,
    against_the_pairs,
    against_the_mirror,
    circles,
)

PLANTED = [
    (against_the_order, "calibprune/kernels/gram.py", "import calibprune.models.families", "kernels imports models"),
    (
        against_the_order,
        "calibprune/walk/inputs.py",
        "def f():\n    from calibprune.study import cells",
        "walk imports study",
    ),
    (against_the_order, "calibprune/metrics/masks.py", "from ..saving import checkpoint", "metrics imports saving"),
    (
        against_the_order,
        "calibprune/study/store.py",
        "from calibbook.shared import words",
        "calibprune imports calibbook",
    ),
    (against_the_order, "calibprune/tasks/catalogue.py", "import calibprune as cp", "its own face"),
    (against_the_order, "calibprune/helpers/__init__.py", "", "'helpers' has no place"),
    (against_a_heavy_face, "calibprune/__init__.py", "from calibprune.study.study import Study", "imports calibprune"),
    (
        against_a_heavy_face,
        "calibprune/__init__.py",
        "try:\n    from .schemes import Sparsity\nfinally:\n    pass",
        "imports calibprune",
    ),
    (
        against_a_heavy_face,
        "calibprune/__init__.py",
        "if not TYPE_CHECKING:\n    import calibprune.schemes",
        "imports calibprune",
    ),
    (against_a_heavy_face, "calibprune/__init__.py", "import_module('calibprune.study')", "imports dynamically"),
    (against_a_heavy_face, "calibprune/__init__.py", "def f():\n    import calibbook.gate", "imports calibbook"),
    (
        against_dynamic_imports,
        "calibprune/kernels/gram.py",
        'import importlib\nimportlib.import_module("calibprune.study.cells")',
        "kernels/gram.py: import_module",
    ),
    (
        against_dynamic_imports,
        "calibprune/kernels/gram.py",
        "from importlib import import_module as get",
        "kernels/gram.py: import_module",
    ),
    (
        against_dynamic_imports,
        "book/calibbook/shared/words.py",
        'def f():\n    __import__("calibbook.build")',
        "shared/words.py: __import__",
    ),
    (against_hidden_folders, "calibprune/walk/parts/norms.py", "", "calibprune/walk/parts: has no __init__.py"),
    (against_hidden_folders, "book/calibbook/s04_1_more/data.py", "", "book/calibbook/s04_1_more: has no __init__.py"),
    (against_the_rooms, "book/calibbook/s05_9_nothing/data.py", "", "s05_9_nothing: no notebook"),
    (
        against_the_rooms,
        "book/calibbook/s04_4_multiple_languages/data.py",
        "from calibbook.s04_3_open_domain_qa import tables",
        "s04_4_multiple_languages imports s04_3_open_domain_qa",
    ),
    (
        against_the_rooms,
        "book/calibbook/s05_1_subspaces/data.py",
        "from calibbook.s04_1_pruning_results import data",
        "s05_1_subspaces imports s04_1_pruning_results",
    ),
    (
        against_the_rooms,
        "book/calibbook/s04_1_pruning_results/tables.py",
        "from calibbook.s04_2_downstream_tasks import data",
        "s04_1_pruning_results imports s04_2_downstream_tasks",
    ),
    (
        against_the_rooms,
        "book/calibbook/s05_3_language_neurons/data.py",
        "from calibbook.appendix_h_kernels.results import Machine",
        "s05_3_language_neurons imports appendix_h_kernels",
    ),
    (
        against_the_rooms,
        "book/calibbook/shared/words.py",
        "from calibbook.s05_1_subspaces import data",
        "shared imports s05_1_subspaces",
    ),
    (against_the_rooms, "book/calibbook/shared/html.py", "from calibbook import build", "shared imports build"),
    (against_the_pairs, "calibprune/kernels/gram_cuda.py", "", "beside gram.py"),
    (against_the_pairs, "calibprune/kernels/sums_triton.py", "", "belongs to no sums.py"),
    (
        against_the_pairs,
        "calibprune/forward/gated.py",
        "def f():\n    import triton",
        "calibprune.forward.gated: Triton",
    ),
    (against_the_pairs, "calibprune/kernels/sums/sums.py", "", "kernels/sums/: a kernel is a file"),
    (against_the_pairs, "calibprune/forward/gated.py", "import torch, triton", "calibprune.forward.gated: Triton"),
    (against_the_mirror, "tests/support/test_it.py", "", "tests/support/test_it.py"),
    (against_the_mirror, "tests/test_it.py", "", "tests/test_it.py"),
    (against_the_mirror, "calibprune/walk/test_it.py", "", "calibprune/walk/test_it.py"),
    (
        against_the_mirror,
        "tests/calibprune/walk/test_layerwise.py",
        "from calibbook import s05_1_subspaces",
        "test_layerwise.py: imports s05_1_subspaces",
    ),
    (against_the_mirror, "tests/calibprune/nowhere/test_it.py", "", "tests/calibprune/nowhere"),
    (against_the_mirror, "tests/calibbook/report/test_it.py", "", "tests/calibbook/report"),
    (circles, "calibprune/errors.py", "from calibprune import schemes", "calibprune.errors"),
]


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_the_rule_holds(rule):
    broken = rule(ROOT)
    assert not broken, "\n".join(broken)


@pytest.fixture(scope="module")
def copied(tmp_path_factory):
    """A copy of what the rules look at."""
    root = tmp_path_factory.mktemp("checkout")
    for folder in (*SOURCES.values(), "tests", "notebooks"):
        shutil.copytree(ROOT / folder, root / folder, ignore=shutil.ignore_patterns("__pycache__"))
    return root


@pytest.mark.parametrize(("rule", "path", "line", "named"), PLANTED)
def test_a_rule_that_is_broken_is_found(copied, rule, path, line, named):
    planted, before = copied / path, None
    if planted.is_file():
        before = planted.read_text(encoding="utf-8")
    new = [folder for folder in planted.parents if not folder.exists()]
    planted.parent.mkdir(parents=True, exist_ok=True)
    planted.write_text(f"{before or ''}\n{line}\n", encoding="utf-8")
    try:
        assert any(named in one for one in rule(copied)), rule(copied)
    finally:
        planted.unlink() if before is None else planted.write_text(before, encoding="utf-8")
        for folder in new:
            folder.rmdir()
    assert rule(copied) == rule(ROOT)


@pytest.mark.parametrize("statement", ["from calibbook import ", "from calibbook.", "import calibbook as c; c."])
def test_a_notebook_that_names_another_room_is_found(copied, statement):
    planted = copied / "notebooks" / "04_1_pruning_results.ipynb"
    text = planted.read_text(encoding="utf-8")
    notebook = json.loads(text)
    code = next(cell for cell in notebook["cells"] if cell["cell_type"] == "code")
    code["source"].append(f"\n{statement}s05_1_subspaces")
    planted.write_text(json.dumps(notebook), encoding="utf-8")
    found = notebooks_against_the_rooms(copied)
    planted.write_text(text, encoding="utf-8")
    assert found == ["04_1_pruning_results.ipynb names s05_1_subspaces"]
