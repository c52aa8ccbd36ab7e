import copy
import re
from pathlib import Path
from typing import Any

import matplotlib as mpl
import pytest

import vaeaug.model.fit
from vaeaug.cli.main import _parser

README = Path(__file__).parents[1] / "README.md"
TEXT = README.read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```python\n(.*?)^```", TEXT, flags=re.DOTALL | re.MULTILINE)


@pytest.mark.parametrize("block", BLOCKS, ids=lambda block: block.strip().splitlines()[-1][:40])
def test_each_example_runs_as_written_and_on_its_own(
    block: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only the number of epochs is cut."""

    def brief(parameters: Any, *arguments: Any) -> Any:
        fewer = copy.copy(parameters)
        fewer.max_iter = 2
        return resolve(fewer, *arguments)

    resolve = vaeaug.model.fit.resolve
    monkeypatch.setattr(vaeaug.model.fit, "resolve", brief)
    monkeypatch.chdir(tmp_path)
    mpl.use("Agg")
    exec(compile(block, "README.md", "exec"), {"__name__": "readme"})
    written = set(re.findall(r'"([\w-]+\.(?:png|safetensors|html))"', block))
    assert {path.name for path in tmp_path.iterdir()} == written


def test_there_are_examples_for_every_way_in() -> None:
    assert len(BLOCKS) >= 8


def test_what_an_example_needs_besides_the_install_is_said() -> None:
    needed = [block for block in BLOCKS if "imblearn" in block]
    assert needed
    for block in needed:
        before = TEXT[: TEXT.index(block)].splitlines()
        assert "pip install imbalanced-learn" in "\n".join(before[-4:])


def test_the_two_commands_are_there() -> None:
    commands = re.findall(r"^```\n(.*?)^```", TEXT, flags=re.DOTALL | re.MULTILINE)
    assert "pip install . && vaeaug demo\n" in commands
    assert 'pip install -e ".[test]" && pytest\n' in commands


def test_the_command_lines_are_valid() -> None:
    lines = re.findall(r"^vaeaug (augment|sample|assess|studio|doctor) ?(.*)$", TEXT, flags=re.MULTILINE)
    assert len(lines) >= 5
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
