"""The house as its folders say it: imports go down.

`data`, `nn` and `training` never import each other. Only faces, `integrations` and `cli` import faces. No
import closes a loop, and nobody inside imports through a package's ``__init__``.
"""

import ast
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).parent.parent / "vaeaug"

#: What users call.
FACES = {"augmenter", "sampler", "assessing", "classifier"}
#: Who may import a face.
ABOVE = {*FACES, "integrations", "cli", "__main__", "vaeaug"}
#: Rooms that know nothing of each other; what connects them is `model`.
STRANGERS = {"data", "nn", "training"}
#: Streams hand blocks of rows to training, and share the rows among processes.
BETWEEN_STRANGERS = {
    ("vaeaug.data.streams.images", "vaeaug.training.rows"),
    ("vaeaug.data.streams.table", "vaeaug.training.rows"),
    ("vaeaug.data.streams.table", "vaeaug.training.distributed"),
}
MOST_FLOORS = 12
MOST_ROOT_MODULES = 10

#: Where torch may be imported when the module is: everywhere else it comes with first use.
TORCH_ROOMS = {"nn", "training", "losses", "model", "integrations"}
HEAVY = {"torch", "torchvision", "albumentations", "zuko"}

ENGINES = {"ray", "pyspark", "py4j", "dask", "distributed"}
#: Third-party packages that a function may import on first use, because they are slow or optional.
ON_FIRST_USE = (
    HEAVY | ENGINES | {"tqdm", "matplotlib", "pyarrow", "polars", "pandas", "pytz", "dateutil", "fsspec"}
)
#: Parts of packages, the same.
PARTS_ON_FIRST_USE = {"sklearn.neighbors"}

#: Own modules that a function imports on first use, each with its reason: never to escape a loop.
LAZY = {
    ("vaeaug.sampler", "vaeaug.augmenter"): "the sampler takes other augmenters, and this one brings torch",
    ("vaeaug.cli.options", "vaeaug.data.relations.parsing"): "brings NumPy, which most commands do not need",
    ("vaeaug.cli.main", "vaeaug.cli.augment"): "brings torch, which --help does not need",
    ("vaeaug.cli.main", "vaeaug.cli.complete"): "brings torch, which --help does not need",
    ("vaeaug.cli.main", "vaeaug.cli.assess"): "brings torch, which --help does not need",
    ("vaeaug.cli.main", "vaeaug.cli.report"): "brings scikit-learn, which --help does not need",
    ("vaeaug.cli.main", "vaeaug.cli.demo"): "brings torch, which --help does not need",
    ("vaeaug.cli.main", "vaeaug.cli.demo_images"): "brings torch, which --help does not need",
    ("vaeaug.cli.main", "vaeaug.cli.studio"): "brings torch, which --help does not need",
    ("vaeaug.cli.main", "vaeaug.cli.doctor"): "brings torch, which --help does not need",
}

#: The one thing that is defined in an __init__.
THROUGH_INIT = {("vaeaug.cli.parser", "__version__")}


class Import(NamedTuple):
    """One imported name."""

    source: str  # dotted module that imports
    target: str  # dotted module that is imported
    name: str | None  # what is taken from it
    inside: bool  # in a function or method


def module_of(path: Path) -> str:
    parts = ("vaeaug", *path.relative_to(ROOT).with_suffix("").parts)
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


FILES = {module_of(path): path for path in sorted(ROOT.rglob("*.py"))}
INITS = {name for name, path in FILES.items() if path.name == "__init__.py"}


def walk(node: ast.AST, inside: bool = False) -> Iterator[tuple[ast.AST, bool]]:
    for child in ast.iter_child_nodes(node):
        within = inside or isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
        yield child, within
        yield from walk(child, within)


def imports_of(source: str) -> Iterator[Import]:
    for node, inside in walk(ast.parse(FILES[source].read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            for item in node.names:
                yield Import(source, item.name, None, inside)
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{source} imports relatively; name the file: {ast.unparse(node)}"
            for item in node.names:
                submodule = f"{node.module}.{item.name}"
                if submodule in FILES:
                    yield Import(source, submodule, None, inside)
                else:
                    yield Import(source, str(node.module), item.name, inside)


IMPORTS = [found for source in FILES for found in imports_of(source)]
OWN = [found for found in IMPORTS if found.target.split(".")[0] == "vaeaug"]


def room_of(module: str) -> str:
    """Return the folder at the package's root that a module lies in, or the module itself."""
    return "vaeaug" if module == "vaeaug" else module.split(".")[1]


def list_room_imports() -> dict[str, set[str]]:
    """Return which rooms each room imports; what the root exports is no import."""
    rooms: dict[str, set[str]] = {room_of(name): set() for name in FILES if name != "vaeaug"}
    for found in OWN:
        source, target = room_of(found.source), room_of(found.target)
        if source != target and "vaeaug" not in (source, target):
            rooms[source].add(target)
    return rooms


def test_few_modules_lie_at_the_root():
    assert len(list(ROOT.glob("*.py"))) <= MOST_ROOT_MODULES


def test_rooms_lie_on_few_floors_and_no_import_goes_up():
    rooms = list_room_imports()
    floor: dict[str, int] = {}
    try:
        for room in TopologicalSorter(rooms).static_order():
            floor[room] = 1 + max((floor[below] for below in rooms[room]), default=0)
    except CycleError as error:
        pytest.fail(" -> ".join(error.args[1]))
    assert max(floor.values()) <= MOST_FLOORS


@pytest.mark.parametrize("room", sorted(STRANGERS))
def test_data_nn_and_training_do_not_import_each_other(room):
    wrong = [
        (found.source, found.target)
        for found in OWN
        if room_of(found.source) == room
        and room_of(found.target) in STRANGERS - {room}
        and (found.source, found.target) not in BETWEEN_STRANGERS
    ]
    assert not wrong


def test_every_exception_between_strangers_is_still_there():
    assert {(found.source, found.target) for found in OWN} >= BETWEEN_STRANGERS


def test_only_faces_integrations_and_the_command_line_import_faces():
    wrong = [
        (found.source, found.target)
        for found in OWN
        if room_of(found.target) in FACES and room_of(found.source) not in ABOVE
    ]
    assert not wrong


def test_no_imports_close_a_loop():
    graph: dict[str, set[str]] = {name: set() for name in FILES}
    for found in OWN:
        if found.source not in INITS:
            graph[found.source].add(found.target)
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail(" -> ".join(error.args[1]))


def test_nobody_inside_imports_through_an_init():
    wrong = [
        found
        for found in OWN
        if found.target in INITS
        and found.source not in INITS
        and (found.source, found.name) not in THROUGH_INIT
    ]
    assert not wrong


@pytest.mark.parametrize("module", sorted(INITS - {"vaeaug"}))
def test_an_init_only_exports(module):
    body = ast.parse(FILES[module].read_text(encoding="utf-8")).body
    assert isinstance(body[0], ast.Expr), "the docstring comes first"
    for node in body[1:]:
        is_all = isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__"
        assert is_all or isinstance(node, ast.ImportFrom), ast.unparse(node)


def test_functions_import_only_what_is_slow_or_optional():
    wrong = []
    for found in IMPORTS:
        if not found.inside:
            continue
        is_own = found.target.split(".")[0] == "vaeaug"
        allowed = (
            (found.source, found.target) in LAZY
            if is_own
            else found.target.split(".")[0] in ON_FIRST_USE or found.target in PARTS_ON_FIRST_USE
        )
        if not allowed:
            wrong.append(found)
    assert not wrong


def test_every_lazy_import_is_still_there():
    found = {(item.source, item.target) for item in OWN if item.inside}
    assert set(LAZY) <= found


def test_torch_is_imported_only_where_models_live():
    wrong = [
        found
        for found in IMPORTS
        if found.target.split(".")[0] in HEAVY
        and not found.inside
        and room_of(found.source) not in TORCH_ROOMS
        and not only_for_types(found)
    ]
    assert not wrong


def only_for_types(found: Import) -> bool:
    """Tell whether a module is imported under ``if TYPE_CHECKING`` only."""
    tree = ast.parse(FILES[found.source].read_text(encoding="utf-8"))
    guarded = [
        node
        for block in ast.walk(tree)
        if isinstance(block, ast.If) and ast.unparse(block.test) == "TYPE_CHECKING"
        for node in ast.walk(block)
    ]
    named = [alias.name for node in guarded if isinstance(node, ast.Import) for alias in node.names]
    return found.target in named + [node.module for node in guarded if isinstance(node, ast.ImportFrom)]


def test_networks_know_no_data_containers():
    wrong = [
        found
        for found in IMPORTS
        if room_of(found.source) in ("nn", "losses", "training")
        and found.target.split(".")[0] in ("pandas", "sklearn", "safetensors")
    ]
    assert not wrong


@pytest.mark.parametrize("package", ["imblearn", "ctgan", "mostlyai", "pythae", "xgboost", "sdmetrics"])
def test_nothing_depends_on_peers(package):
    assert not [found for found in IMPORTS if found.target.split(".")[0] == package]
