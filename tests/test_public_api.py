"""The face: what may be imported, what it is called with, and that it says what it is for."""

import ast
import importlib
import inspect
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import vaeaug
from vaeaug import AugmentedClassifier, AugmentedDataset, BatchAugment, VAEAugmenter, VAEOverSampler

ROOT = Path(__file__).parent.parent
MODULES = sorted(
    ".".join(path.relative_to(ROOT).with_suffix("").parts)
    for path in (ROOT / "vaeaug").rglob("*.py")
    if path.name not in ("__init__.py", "__main__.py")
)

#: What users may rely on; a name leaves this list only with a deprecation.
FACE = [
    "AugmentedClassifier",
    "AugmentedDataset",
    "BatchAugment",
    "Recipe",
    "VAEAugmenter",
    "VAEOverSampler",
    "VARIANTS",
    "__version__",
    "assess",
    "load",
]

HEAVY = ("torch", "torchvision", "albumentations", "matplotlib", "zuko", "tqdm", "safetensors")

PARAMETERS = (
    "latent_dim beta prior posterior latent network losses categorical_features image_shape channels "
    "max_iter batch_size learning_rate_init early_stopping validation_fraction n_iter_no_change "
    "max_fit_seconds device random_state verbose checkpoint_dir id_columns relations on_violation "
    "warm_start"
)

#: name -> (positional-or-keyword, keyword-only) parameters of VAEAugmenter's methods.
METHODS = {
    "fit": (["X", "y", "sample_weight"], []),
    "sample": (["n_samples", "y"], ["method", "where", "given", "temperature", "sharp", "random_state"]),
    "generate": (["y_new", "X", "y"], ["method", "where", "temperature", "sharp", "random_state"]),
    "resample": (["X", "y"], ["sampling_strategy", "method", "where", "sharp", "random_state"]),
    "sample_to_parquet": (
        ["n_samples", "path"],
        ["y", "shard_size", "random_state", "n_jobs", "method", "temperature", "verbose"],
    ),
    "resample_parquet": (
        ["path_in", "path_out"],
        [
            "target",
            "sampling_strategy",
            "shard_size",
            "random_state",
            "n_jobs",
            "method",
            "temperature",
            "verbose",
        ],
    ),
    "transform": (["X"], []),
    "inverse_transform": (["Z", "y"], []),
    "reconstruct": (["X", "y"], []),
    "complete": (["X", "y"], ["columns", "draws", "random_state"]),
    "vary": (["X", "y"], ["strength", "sharp", "where", "random_state"]),
    "score_samples": (["X", "y"], ["n_draws"]),
    "save": (["path"], []),
}


def parameters_of(function):
    kinds: dict = {}
    for parameter in inspect.signature(function).parameters.values():
        kinds.setdefault(parameter.kind, []).append(parameter.name)
    positional = [name for name in kinds.get(inspect.Parameter.POSITIONAL_OR_KEYWORD, []) if name != "self"]
    return positional, kinds.get(inspect.Parameter.KEYWORD_ONLY, [])


# --- names -----------------------------------------------------------------------------


def test_the_face_is_the_list():
    assert sorted(vaeaug.__all__) == FACE


@pytest.mark.parametrize("name", FACE)
def test_every_name_of_the_face_is_there(name):
    assert getattr(vaeaug, name) is not None
    assert name in dir(vaeaug)


def test_an_unknown_name_is_refused_with_the_list():
    with pytest.raises(
        AttributeError, match="module 'vaeaug' has no attribute 'VAE'; it has AugmentedClassifier"
    ):
        vaeaug.VAE  # noqa: B018


def test_star_import_gives_the_face():
    found: dict = {}
    exec("from vaeaug import *", found)
    assert set(FACE) <= set(found)


@pytest.mark.parametrize("module", MODULES)
def test_all_of_a_module_is_what_it_defines_in_public(module):
    found = importlib.import_module(module)
    tree = ast.parse(Path(found.__file__).read_text(encoding="utf-8"))
    defined = {
        node.name
        for node in tree.body
        if isinstance(node, ast.FunctionDef | ast.ClassDef) and not node.name.startswith("_")
    }
    assert len(set(found.__all__)) == len(found.__all__)
    assert defined <= set(found.__all__)
    assert all(hasattr(found, name) for name in found.__all__)


@pytest.mark.parametrize("module", MODULES)
def test_all_comes_first(module):
    tree = ast.parse(Path(importlib.import_module(module).__file__).read_text(encoding="utf-8"))
    for node in tree.body[1:]:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__":
            return
        assert isinstance(node, ast.Import | ast.ImportFrom | ast.If | ast.Try), (
            f"{module}: {ast.unparse(node)[:60]} before __all__"
        )
    pytest.fail(f"{module} has no __all__")


# --- words -----------------------------------------------------------------------------


def public_objects():
    for module in MODULES:
        found = importlib.import_module(module)
        for name in found.__all__:
            thing = getattr(found, name)
            if (inspect.isclass(thing) or inspect.isfunction(thing)) and thing.__module__ == module:
                yield pytest.param(thing, id=f"{module}.{name}")


@pytest.mark.parametrize("thing", public_objects())
def test_the_first_line_says_what_it_is_for(thing):
    first = (inspect.getdoc(thing) or "").split("\n\n")[0]
    assert first, "no docstring"
    assert first.rstrip("`").endswith("."), first
    assert len(first.splitlines()) <= 2, first


@pytest.mark.parametrize("thing", [VAEAugmenter, VAEOverSampler, AugmentedClassifier, AugmentedDataset])
def test_every_parameter_is_documented(thing):
    documentation = inspect.getdoc(thing)
    section = documentation.split("Parameters\n----------")[1].split("\n\nAttributes")[0]
    for name in inspect.signature(thing).parameters:
        assert any(line.startswith((f"{name} ", f"{name},", f"{name} :")) for line in section.splitlines()), (
            name
        )


@pytest.mark.parametrize("method", list(METHODS))
def test_every_method_says_what_it_is_for(method):
    assert inspect.getdoc(getattr(VAEAugmenter, method)).split("\n")[0].endswith((".", "low means unusual."))


#: What the augmenter needs later or never: its import is to take little more than those of torch, pandas and
#: scikit-learn's base class, without which there is no estimator.
NOT_AT_FIRST = (
    "albumentations",
    "matplotlib",
    "pyarrow.dataset",
    "sklearn.ensemble",
    "sklearn.linear_model",
    "sklearn.metrics",
    "sklearn.model_selection",
    "sklearn.neighbors",
    "sklearn.svm",
    "torch._dynamo",
    "torch._inductor",
    "torchvision",
    "zuko",
)


def test_the_augmenter_brings_nothing_it_does_not_need_yet():
    assert not set(NOT_AT_FIRST) & loaded_by("from vaeaug import VAEAugmenter")


def test_loaders_bring_no_torchvision():
    assert "torchvision" not in loaded_by("from vaeaug import AugmentedDataset, BatchAugment")


# --- signatures ------------------------------------------------------------------------


def test_parameters_of_the_augmenter_are_as_promised():
    assert parameters_of(VAEAugmenter.__init__) == ([], PARAMETERS.split())


@pytest.mark.parametrize("method", list(METHODS))
def test_methods_of_the_augmenter_are_as_promised(method):
    assert parameters_of(getattr(VAEAugmenter, method)) == METHODS[method]


def test_parameters_of_the_sampler_are_as_promised():
    assert parameters_of(VAEOverSampler.__init__) == (
        ["augmenter"],
        ["sampling_strategy", "method", "random_state", "label_filter", "memory", "where"],
    )
    assert not hasattr(VAEOverSampler, "transform")


def test_parameters_of_the_classifier_are_as_promised():
    named = ["synthetic_weight", "prior_correction", "cv", "blend", "random_state", "memory"]
    assert parameters_of(AugmentedClassifier.__init__) == (["estimator", "sampler"], named)


def test_parameters_of_the_dataset_begin_as_promised():
    positional, named = parameters_of(AugmentedDataset.__init__)
    assert positional == ["dataset", "augmenter"]
    assert named[:3] == ["p", "balance", "random_state"]
    assert {"__getitem__", "__getitems__", "__len__", "set_epoch"} <= set(vars(AugmentedDataset))


def test_parameters_of_the_module_begin_as_promised():
    positional, named = parameters_of(BatchAugment.__init__)
    assert (positional, named[0]) == (["augmenter"], "p")


def test_load_takes_a_path_and_a_device():
    assert parameters_of(vaeaug.load) == (["path", "device"], [])


# --- start -----------------------------------------------------------------------------


def loaded_by(statement):
    program = f"{statement}; import sys; print(*sys.modules)"
    found = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True
    )
    return set(found.stdout.split())


def test_import_is_light():
    loaded = loaded_by("import vaeaug")
    assert not loaded & set(HEAVY)
    assert {name for name in loaded if name.startswith("vaeaug")} == {"vaeaug"}


def test_what_needs_no_model_brings_no_torch():
    statement = (
        "from vaeaug import Recipe, VAEOverSampler, AugmentedClassifier; "
        "import vaeaug.evaluation, vaeaug.data.tables.codec, vaeaug.data.labels.sampling_strategy"
    )
    assert not loaded_by(statement) & {"torch", "torchvision", "albumentations", "matplotlib"}


def test_the_version_is_written_in_one_place():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    assert "version" in project["project"]["dynamic"]
    assert project["tool"]["hatch"]["version"]["path"] == "vaeaug/__init__.py"
    assert re.fullmatch(r"\d+\.\d+\.\d+\S*", vaeaug.__version__)


def test_types_are_marked():
    assert (ROOT / "vaeaug" / "py.typed").is_file()
