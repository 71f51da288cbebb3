"""The directions in which the rooms of the house may depend on each other."""

from __future__ import annotations

import ast
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGE, CSRC = ROOT / "fastconv", ROOT / "csrc"

# Python, lowest first. A room imports from lower levels and from itself; what is named beside a
# room are the rooms of its own level that it may also import.
LEVELS: list[dict[str, set[str]]] = [
    {"_core": set()},
    {"graph": {"reference"}, "reference": {"graph"}},
    {"config": set(), "random": set(), "dtype_policies": set()},
    {"mixed_precision": set()},
    {"ops": set(), "utils": {"ops"}, "saving.registry": set(), "compat.methods": set()},
    {"datasets": set(), "activations": set(), "initializers": set(), "regularizers": set()}
    | {"constraints": set(), "losses": set(), "preprocessing": set(), "naming": set()},
    {"layers": set(), "optimizers": set(), "metrics": set(), "callbacks": set()},
    {"saving": set(), "training": {"saving"}},
    {"models": set()},
    {"applications": set(), "compat": set()},
    {"": set(), "backend": set()},  # fastconv/__init__.py, and a path to compat.backend
    {"cli": set()},
    {"__main__": set()},
]
LEVEL = {room: level for level, rooms in enumerate(LEVELS) for room in rooms}
BESIDE = {room: beside for rooms in LEVELS for room, beside in rooms.items()}

# Modules whose functions look upwards when they run, and where to.
LATE: dict[str, set[str]] = {
    "config": {"dtype_policies", "random"},  # global settings of these
    "graph.eager": {"random"},  # a seed for a random primitive on arrays
    "random": {"ops"},  # the functions of keras.random
    "saving.onnx.export": {"training"},  # the program of predict
}

INCLUDES = {  # C++: what each room may include besides itself
    "bindings": {"plan", "ops", "dispatch", "runtime"},
    "plan": {"ops", "dispatch", "kernels", "runtime"},
    "ops": {"dispatch", "kernels", "runtime"},
    "dispatch": {"kernels"},
    "kernels": set(),
    "runtime": set(),
}
KERNEL_HEADERS = {  # no STL algorithms, no containers: nothing that would be compiled for an ISA
    *("cstddef", "cstdint", "cstring", "type_traits", "utility"),
    *("immintrin.h", "arm_neon.h"),
}


def modules() -> Iterator[tuple[str, Path]]:
    for path in sorted(PACKAGE.rglob("*.py")):
        name = ".".join(path.relative_to(PACKAGE).with_suffix("").parts)
        yield re.sub(r"(^|\.)__init__$", "", name), path


def room(module: str) -> str:
    return module if module in LEVEL else module.split(".")[0]


def imports(path: Path, *, late: bool = False) -> Iterator[str]:
    """What a file imports from fastconv as it is loaded, or also as its functions run, each name as
    ``room.module.name``."""
    pending: list[ast.AST] = [ast.parse(path.read_text())]
    while pending:
        node = pending.pop()
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            pending += node.orelse
            continue
        else:
            if late or not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
                pending += ast.iter_child_nodes(node)
            continue
        yield from (n.partition(".")[2] for n in names if n.split(".")[0] == "fastconv")


def test_every_room_has_its_level() -> None:
    assert {room(name) for name, _ in modules()} <= set(LEVEL)


@pytest.mark.parametrize("module", [name for name, _ in modules()])
def test_imports_go_downwards(module: str) -> None:
    path = dict(modules())[module]
    here = room(module)
    for name in imports(path):
        there = room(".".join(name.split(".")[:2]))
        assert there in LEVEL, f"{module} imports {name}"
        allowed = here == there or LEVEL[there] < LEVEL[here] or there in BESIDE[here]
        assert allowed, f"{module} (level {LEVEL[here]}) imports {name} (level {LEVEL[there]})"


@pytest.mark.parametrize("module", [name for name, _ in modules()])
def test_functions_import_downwards_but_for_the_listed(module: str) -> None:
    path = dict(modules())[module]
    here = room(module)
    listed = {"utils", "compat", ""} & {here}  # names that are loaded from above when asked for
    for name in imports(path, late=True):
        there = room(".".join(name.split(".")[:2]))
        below = here == there or LEVEL[there] < LEVEL[here] or there in BESIDE[here]
        assert listed or below or there in LATE.get(module, set()), f"{module} imports {name}"


def test_no_module_imports_itself_through_others() -> None:
    known = dict(modules())
    edges: dict[str, set[str]] = {}
    for module, path in known.items():
        targets = set()
        for name in imports(path):
            exact = name if name in known else name.rpartition(".")[0]
            targets.add(exact)
        edges[module] = targets - {module}
    done: set[str] = set()

    def visit(module: str, trail: tuple[str, ...]) -> None:
        assert module not in trail, " -> ".join((*trail[trail.index(module) :], module))
        if module not in done:
            for target in sorted(edges.get(module, ())):
                visit(target, (*trail, module))
            done.add(module)

    for module in known:
        visit(module, ())


def sources() -> list[Path]:
    return sorted(p for p in CSRC.rglob("*") if p.suffix in (".cpp", ".h", ".hpp", ".inc"))


def included(path: Path, form: str) -> list[str]:
    return re.findall(rf"^\s*#\s*include\s*{form}", path.read_text(), re.MULTILINE)


@pytest.mark.parametrize("path", sources(), ids=lambda p: str(p.relative_to(CSRC)))
def test_includes_go_downwards(path: Path) -> None:
    here = path.relative_to(CSRC).parts[0]
    for name in included(path, r'"([^"]+)"'):
        assert (CSRC / name).is_file(), f"{name} is not a path under csrc/"
        there = name.split("/")[0]
        assert there == here or {there, name} & INCLUDES[here], f"{here} includes {name}"
    headers = included(path, "<([^>]+)>")
    if here == "kernels":
        assert set(headers) <= KERNEL_HEADERS
    if path != CSRC / "runtime" / "threads.cpp":
        assert "omp.h" not in headers
        assert not re.search(r"#\s*pragma\s+omp", path.read_text())
    if here != "bindings":
        assert not [h for h in headers if h.startswith(("pybind11/", "Python.h"))]


def kernel_objects() -> list[Path]:
    return sorted(ROOT.glob("build/**/kernels_*.dir/**/*.o"))


@pytest.mark.skipif(shutil.which("nm") is None, reason="needs nm, of the binutils")
@pytest.mark.skipif(not kernel_objects(), reason="no object files under build/")
def test_kernels_leak_no_code() -> None:
    """A weak symbol could be linked in for another ISA; an initialiser would run at import."""
    for path in kernel_objects():
        isa = re.search(r"kernels_(\w+)\.dir", str(path))
        assert isa is not None
        listing = subprocess.run(
            ["nm", "-C", "--defined-only", str(path)], capture_output=True, text=True, check=True
        ).stdout
        for line in listing.splitlines():
            _, kind, name = line.split(" ", 2)
            assert kind not in "WVuv", f"{path.name}: weak symbol {name}"
            assert "_GLOBAL__sub_I" not in name, f"{path.name}: {name} runs at import"
            if kind in "TDBR":
                expected = f"fastconv::{isa[1]}::"
                assert name.startswith(expected), f"{path.name}: {name} is outside of {expected}"


@pytest.mark.skipif(shutil.which("nm") is None, reason="needs nm, of the binutils")
def test_the_extension_exports_its_entry_alone() -> None:
    from fastconv import _core

    listing = subprocess.run(
        ["nm", "-D", "--defined-only", _core.__file__], capture_output=True, text=True, check=True
    ).stdout
    assert [line.split()[-1] for line in listing.splitlines()] == ["PyInit__core"]
