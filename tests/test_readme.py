import re
from pathlib import Path
from typing import Any

import matplotlib as mpl
import pytest

import vaeaug.learning
from vaeaug.cli import _parser

README = Path(__file__).parents[1] / "README.md"
TEXT = README.read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```python\n(.*?)^```", TEXT, flags=re.DOTALL | re.MULTILINE)


def test_the_examples_run_as_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In order and in one namespace; only the number of epochs is cut."""

    def brief(*arguments: Any, **options: Any) -> Any:
        return resolve(*arguments, **options | {"max_iter": 2})

    resolve = vaeaug.learning.resolve
    monkeypatch.setattr(vaeaug.learning, "resolve", brief)
    monkeypatch.chdir(tmp_path)
    mpl.use("Agg")
    names: dict[str, Any] = {}
    assert len(BLOCKS) >= 5
    for i, block in enumerate(BLOCKS):
        exec(compile(block, f"README.md, block {i + 1}", "exec"), names)
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "columns.png",
        "model.safetensors",
        "verdict.html",
    ]


def test_the_two_commands_are_there() -> None:
    commands = re.findall(r"^```\n(.*?)^```", TEXT, flags=re.DOTALL | re.MULTILINE)
    assert "pip install . && vaeaug demo\n" in commands
    assert 'pip install -e ".[test]" && pytest\n' in commands


def test_the_command_lines_are_valid() -> None:
    lines = re.findall(r"^vaeaug (augment|sample|assess) (.*)$", TEXT, flags=re.MULTILINE)
    assert len(lines) >= 3
    for command, rest in lines:
        _parser().parse_args([command, *rest.split()])


def test_pictures_and_linked_files_exist_and_are_small() -> None:
    linked = [path for path in re.findall(r"\]\(([^)#]+)\)", TEXT) if "://" not in path]
    assert any(path.endswith(".png") for path in linked)
    for path in linked:
        assert (README.parent / path).exists(), path
        if path.endswith(".png"):
            assert (README.parent / path).stat().st_size < 150_000, path


def test_the_benchmark_has_its_place() -> None:
    assert TEXT.count("<!-- benchmark:start -->") == TEXT.count("<!-- benchmark:end -->") == 1
