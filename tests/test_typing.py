"""What an editor knows: types from a user's side, and the choices that it offers."""

import os
import re
import subprocess
import sys
from typing import get_args

import pytest
from made_snippets import ROOT

from vaeaug.augmenter import METHODS
from vaeaug.data.labels.sampling_strategy import STRATEGIES
from vaeaug.evaluation.assess.metrics import METRICS
from vaeaug.evaluation.assess.named_classifiers import LEARNERS
from vaeaug.latent.operations import _BASES, _PATHS, OPERATIONS
from vaeaug.nn.latents.registry import LATENTS
from vaeaug.nn.posteriors.registry import POSTERIORS
from vaeaug.nn.priors.registry import PRIORS
from vaeaug.utils import choices

README = (ROOT / "README.md").read_text(encoding="utf-8")

#: What a user may write, one line each, and what a type checker says of it.
LINES = {
    "reveal_type(augmenter)": "VAEAugmenter",
    "reveal_type(augmenter.resample(frame, column))": "tuple[pandas.core.frame.DataFrame, Any]",
    "reveal_type(augmenter.resample(frame, [0, 1])[0])": "pandas.core.frame.DataFrame",
    "reveal_type(augmenter.transform(frame))": "numpy.ndarray",
    "reveal_type(augmenter.history_)": "pandas.core.frame.DataFrame",
    "reveal_type(sampler.fit_resample(frame, column))": "tuple[pandas.core.frame.DataFrame, Any]",
    "reveal_type(sampler.fit_resample(frame, 'y')[0])": "pandas.core.frame.DataFrame",
    "reveal_type(sampler.fit_resample(array, array))": "tuple[numpy.ndarray",
    "reveal_type(sampler.fit(frame, column))": "VAEOverSampler",
    "reveal_type(model.predict_proba(frame))": "numpy.ndarray",
    "reveal_type(BatchAugment(augmenter)(tensor, [0, 1]))": "tuple[torch._tensor.Tensor, list[int]]",
    "reveal_type(assess('knn', frame, column).table)": "pandas.core.frame.DataFrame",
    "reveal_type(load('model.safetensors'))": "VAEAugmenter",
    "VAEAugmenter(prior='mixtur')": 'Argument "prior" to "VAEAugmenter" has incompatible type',
    "VAEAugmenter(on_violation='drop')": 'Argument "on_violation" to "VAEAugmenter" has incompatible type',
    "augmenter.sample(3, method='auto')": 'Argument "method" to "sample" of "VAEAugmenter"',
    "VAEOverSampler(sampling_strategy='majority')": 'Argument "sampling_strategy" to "VAEOverSampler"',
    "AugmentedClassifier(3)": 'Argument 1 to "AugmentedClassifier" has incompatible type "int"',
}
START = """
import numpy as np
import pandas as pd
import torch
from vaeaug import AugmentedClassifier, BatchAugment, VAEAugmenter, VAEOverSampler, assess, load

frame, array, tensor = pd.DataFrame({"a": [1.0, 2.0]}), np.eye(2), torch.ones(2, 2)
column = frame["a"]
augmenter = VAEAugmenter(prior="flow", random_state=0).fit(frame, column)
sampler = VAEOverSampler(augmenter, sampling_strategy={1: 5})
model = AugmentedClassifier(sampler, "auto")
"""


@pytest.fixture(scope="module")
def said(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[str]]:
    """Return what mypy says of each file of a user: the blocks of the README, and LINES."""
    folder = tmp_path_factory.mktemp("user")
    blocks = re.findall(r"^```python\n(.*?)^```", README, flags=re.DOTALL | re.MULTILINE)
    files = {f"readme_{number}.py": block for number, block in enumerate(blocks)}
    files["lines.py"] = START + "\n".join(LINES)
    for name, code in files.items():
        (folder / name).write_text(code, encoding="utf-8")
    # scikit-learn has no types; a project that is checked strictly says so in its configuration.
    (folder / "mypy.ini").write_text(
        "[mypy]\nstrict = True\n[mypy-sklearn.*]\nignore_missing_imports = True\n"
    )
    command = [sys.executable, "-m", "mypy", "--no-error-summary", "--no-pretty", *files]
    environment = os.environ | {"MYPYPATH": "", "PYTHONPATH": str(ROOT)}
    found = subprocess.run(command, cwd=folder, capture_output=True, text=True, env=environment)
    assert not found.stderr, found.stderr
    lines = found.stdout.splitlines()
    return {name: [line for line in lines if line.startswith(f"{name}:")] for name in files}


@pytest.mark.slow  # mypy reads the types of torch and pandas
def test_the_examples_of_the_readme_have_no_wrong_types(said: dict[str, list[str]]) -> None:
    assert len(said) > 4
    wrong = [line for name, lines in said.items() if name.startswith("readme") for line in lines]
    assert not wrong


@pytest.mark.slow  # as above
@pytest.mark.parametrize("number", range(len(LINES)), ids=list(LINES))
def test_a_type_checker_knows(said: dict[str, list[str]], number: int) -> None:
    line, expected = list(LINES.items())[number]
    place = START.count("\n") + 1 + number
    found = [each for each in said["lines.py"] if each.startswith(f"lines.py:{place}:")]
    assert any(expected in each for each in found), (line, found)


@pytest.mark.parametrize(
    ("alias", "names"),
    [
        ("PriorName", {"auto", *PRIORS}),
        ("PosteriorName", POSTERIORS),
        ("LatentName", LATENTS),
        ("SampleMethod", METHODS),
        ("GenerateMethod", {"auto", *METHODS}),
        ("PathName", _PATHS),
        ("Basis", _BASES),
        ("OperationName", OPERATIONS),
        ("StrategyName", STRATEGIES),
        ("ClassifierName", LEARNERS),
        ("ScoringName", METRICS),
    ],
)
def test_the_choices_are_those_of_the_registry(alias: str, names: set[str]) -> None:
    known = getattr(choices, alias)
    offered = set(get_args(known))
    if str in offered:  # names of others are allowed too
        offered = {name for each in get_args(known) for name in get_args(each)}
    assert offered == set(names)
