"""Which file may import which. Each rule is a function from the folder of a checkout to the places that break it; a
test breaks it in a copy and sees it found.
"""

import ast
import re
import shutil
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
    out: it imports a name of its face when that is first used.
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


def _below(other: str, own: str) -> bool:
    return other == own or LEVEL[other] < LEVEL[own] or {other, own} <= set(GROUND)


def against_the_rooms(root: Path) -> list[str]:
    """A room of calibbook imports `shared` and rooms of earlier sections, `shared` no room, neither of them what builds
    the book; a room has the name of a notebook.
    """
    folder = root / SOURCES["calibbook"]
    rooms = {path.name for path in folder.iterdir() if (path / "__init__.py").is_file() and path.name != "shared"}
    notebooks = {path.stem for path in (root / "notebooks").glob("*.ipynb")}
    found = [f"{room}: no notebook of this name" for room in sorted(rooms) if room.removeprefix("s") not in notebooks]
    for module, target, _, where in imports(root):
        own, other = part(module), part(target)
        if not target.startswith("calibbook.") or own == other or own not in {*rooms, "shared"}:
            continue
        if other in rooms and (own == "shared" or _place(other) > _place(own)):
            found.append(f"{where}: {own} imports {other}, which comes after it")
        elif other not in {*rooms, "shared", "checkout"}:
            found.append(f"{where}: {own} imports {other}, which builds the book from it")
    return found


def notebooks_against_the_rooms(root: Path) -> list[str]:
    """A notebook imports the room of its name, `shared`, and rooms of earlier sections."""
    found = []
    for path in sorted((root / "notebooks").glob("*.ipynb")):
        own = path.stem if path.stem.startswith("appendix") else f"s{path.stem}"
        for room in sorted(set(re.findall(r"calibbook\.((?:s\d|appendix_)\w+)", path.read_text(encoding="utf-8")))):
            if _place(room) > _place(own):
                found.append(f"{path.name} imports {room}, which comes after it")
    return found


def _place(room: str) -> tuple[bool, str]:
    """Sections in order, then the appendices."""
    return room.startswith("appendix"), room


def against_the_pairs(root: Path) -> list[str]:
    """A kernel is x.py with at most x_triton.py beside it, and Triton is used there alone."""
    folder = root / "calibprune" / "kernels"
    names = {path.stem for path in folder.glob("*.py")}
    found = [
        f"kernels/{path.name}/: a kernel is a file" for path in folder.iterdir() if (path / "__init__.py").exists()
    ]
    for name in sorted(names):
        beside = sorted(other for other in names if other.startswith(f"{name}_") and other != f"{name}_triton")
        found += [f"kernels/{other}.py: beside {name}.py stands {name}_triton.py alone" for other in beside]
        if name.endswith("_triton") and name.removesuffix("_triton") not in names:
            found.append(f"kernels/{name}.py: belongs to no {name.removesuffix('_triton')}.py")
    for module, path in modules(root).items():
        uses = re.search(r"^\s*(import|from) triton\b", path.read_text(encoding="utf-8"), re.MULTILINE)
        if uses and not (path.parent == folder and path.stem.endswith("_triton")):
            found.append(f"{module}: Triton is used in kernels/*_triton.py alone")
    return found


def against_the_mirror(root: Path) -> list[str]:
    """Every folder below tests/calibprune and tests/calibbook is a folder of that package."""
    found = []
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


RULES = (against_the_order, against_the_rooms, against_the_pairs, against_the_mirror, circles)

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
    (
        against_the_rooms,
        "book/calibbook/s04_1_pruning_results/tables.py",
        "from calibbook.s04_2_downstream_tasks import data",
        "s04_1_pruning_results imports s04_2_downstream_tasks",
    ),
    (
        against_the_rooms,
        "book/calibbook/s05_3_language_neurons/data.py",
        "from calibbook.appendix_h_kernels.counts import Shape",
        "s05_3_language_neurons imports appendix_h_kernels",
    ),
    (
        against_the_rooms,
        "book/calibbook/shared/words.py",
        "from calibbook.s05_1_subspaces import data",
        "shared imports s05_1_subspaces",
    ),
    (against_the_rooms, "book/calibbook/shared/html.py", "from calibbook import build", "shared imports build"),
    (against_the_rooms, "book/calibbook/s05_9_nothing/__init__.py", "", "s05_9_nothing: no notebook"),
    (against_the_pairs, "calibprune/kernels/gram_cuda.py", "", "beside gram.py"),
    (against_the_pairs, "calibprune/kernels/sums_triton.py", "", "belongs to no sums.py"),
    (
        against_the_pairs,
        "calibprune/forward/gated.py",
        "def f():\n    import triton",
        "calibprune.forward.gated: Triton",
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


def test_a_notebook_that_imports_a_later_room_is_found(copied):
    assert notebooks_against_the_rooms(ROOT) == []
    planted = copied / "notebooks" / "04_1_pruning_results.ipynb"
    text = planted.read_text(encoding="utf-8")
    planted.write_text(text.replace("from calibbook.shared", "from calibbook.s05_1_subspaces", 1), encoding="utf-8")
    found = notebooks_against_the_rooms(copied)
    planted.write_text(text, encoding="utf-8")
    assert found == ["04_1_pruning_results.ipynb imports s05_1_subspaces, which comes after it"]
