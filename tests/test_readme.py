"""The README: short, true, and every block of it runs."""

import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from made_snippets import ROOT, find_strangers, name_snippet, run_snippet

from vaeaug.cli.main import _parser, main

README = ROOT / "README.md"
TEXT = README.read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```python\n(.*?)^```", TEXT, flags=re.DOTALL | re.MULTILINE)


@pytest.mark.parametrize("block", BLOCKS, ids=name_snippet)
def test_each_example_runs_as_written_and_on_its_own(
    block: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_snippet(block, tmp_path, monkeypatch)


def test_there_are_examples_for_the_ways_in() -> None:
    assert len(BLOCKS) >= 4
    for name in ("VAEAugmenter", "AugmentedClassifier", "AugmentedDataset", "assess"):
        assert any(re.search(rf"import.*\b{name}\b", block) for block in BLOCKS), name


@pytest.mark.parametrize("block", BLOCKS, ids=name_snippet)
def test_examples_need_nothing_but_the_install(block: str) -> None:
    assert not find_strangers(block)


def test_it_takes_two_minutes_to_read() -> None:
    assert len(TEXT.splitlines()) <= 180


def test_the_two_commands_are_there() -> None:
    commands = re.findall(r"^```\n(.*?)^```", TEXT, flags=re.DOTALL | re.MULTILINE)
    assert "pip install . && vaeaug demo\n" in commands
    assert 'pip install -e ".[test]" && pytest\n' in commands


@pytest.mark.slow  # assess tries every strategy in five folds
def test_the_command_lines_run_as_written(
    table_files: None, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = re.findall(r"^vaeaug (augment|sample|assess|report|studio|doctor) (.*)$", TEXT, re.MULTILINE)
    assert [command for command, _ in lines] == ["augment", "assess", "report"]
    for command, rest in lines:
        assert main([command, *rest.split()]) == 0, capsys.readouterr().err
        assert Path(rest.split("-o ")[1]).stat().st_size


def test_the_command_lines_are_valid() -> None:
    lines = re.findall(r"^vaeaug (\w+) (.*)$", TEXT, re.MULTILINE)
    assert len(lines) >= 3
    for command, rest in lines:
        _parser().parse_args([command, *rest.split()])


@pytest.fixture
def table_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Lay the tables that the README names into a folder, and go there."""
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    size = rng.normal(size=300)
    table = pd.DataFrame({"size": size, "town": rng.choice(["A", "B"], 300)})
    table["outcome"] = np.where(size + rng.normal(size=300) > 1.8, "yes", "no")
    for name in ("table", "real", "new"):
        table.to_csv(f"{name}.csv", index=False)


def test_pictures_and_linked_files_exist_and_are_small() -> None:
    linked = [path for path in re.findall(r"\]\(([^)#]+)\)", TEXT) if "://" not in path]
    assert any(path.endswith(".png") for path in linked)
    for path in linked:
        assert (README.parent / path).exists(), path
        if path.endswith(".png"):
            assert (README.parent / path).stat().st_size < 150_000, path


def test_the_benchmark_has_its_place() -> None:
    assert TEXT.count("<!-- benchmark:start -->") == TEXT.count("<!-- benchmark:end -->") == 1
