"""Code from pages of documentation, run as a reader would run it."""

import ast
import copy
import re
import sys
import tomllib
from pathlib import Path
from typing import Any

import matplotlib as mpl
import pytest

import vaeaug.model.fit

ROOT = Path(__file__).parents[1]
_IMPORTED = {"scikit-learn": "sklearn", "pillow": "PIL"}


def run_snippet(code: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run code in an empty folder, with fewer epochs, and check that it wrote the files that it names."""

    def brief(parameters: Any, *arguments: Any) -> Any:
        fewer = copy.copy(parameters)
        fewer.max_iter = 2
        return resolve(fewer, *arguments)

    resolve = vaeaug.model.fit.resolve
    monkeypatch.setattr(vaeaug.model.fit, "resolve", brief)
    monkeypatch.chdir(folder)
    mpl.use("Agg")
    exec(compile(code, "snippet", "exec"), {"__name__": "snippet"})
    written = set(re.findall(r'"([\w-]+\.(?:png|safetensors|html))"', code))
    assert {path.name for path in folder.iterdir()} == written


def name_snippet(code: str) -> str:
    """Return the name of a test of some code: its last line."""
    return code.strip().splitlines()[-1][:40]


def find_strangers(code: str) -> set[str]:
    """Return the packages that code imports and ``pip install .`` does not bring."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    names = [re.split(r"[<>=]", each)[0] for each in project["dependencies"]]
    known = {_IMPORTED.get(name, name) for name in names} | {"vaeaug"} | set(sys.stdlib_module_names)
    used: set[str] = set()
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.Import):
            used |= {each.name.split(".")[0] for each in node.names}
        elif isinstance(node, ast.ImportFrom):
            used.add((node.module or "").split(".")[0])
    return used - known
