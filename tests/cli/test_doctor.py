"""``vaeaug doctor``: lines to paste into a report, and 1 where the same seed gives other rows."""

import itertools

import pytest

import vaeaug.cli.doctor
from vaeaug.cli.doctor import describe_machine, repeat_draws
from vaeaug.cli.main import main


def test_the_machine_is_described_in_words():
    found = describe_machine()
    assert list(found) == ["versions", "system", "processor", "threads", "GPU", "precision"]
    assert "torch 2" in found["versions"]
    assert all(value and "\n" not in value for value in found.values())


def test_draws_that_differ_from_the_first_are_counted():
    numbers = itertools.count()
    assert repeat_draws(lambda: b"odd" if next(numbers) % 2 else b"even", 7) == 4


def test_a_machine_that_does_not_repeat_itself_is_ill(monkeypatch, capsys):
    numbers = itertools.count()
    draws = {"a table": lambda: b"same", "images": lambda: str(next(numbers)).encode()}
    monkeypatch.setattr(vaeaug.cli.doctor, "_small_models", lambda: draws)
    assert main(["doctor"]) == 1
    said = capsys.readouterr().out
    assert "draws of a table: 30 of 30 with one seed agree\ndraws of images:  1 of 30 with one" in said
    assert said.endswith("please report the lines above.\n")


def test_a_torchvision_of_another_build_is_said(broken_torchvision, monkeypatch, capsys):
    monkeypatch.setattr(vaeaug.cli.doctor, "_small_models", dict)
    assert main(["doctor"]) == 1
    said = capsys.readouterr().out
    assert "torchvision 0.99.0+cu999 are of different builds" in said
    assert "pip install --force-reinstall torch torchvision" in said
    assert "report the lines above" not in said


@pytest.mark.slow
def test_here_repeated_draws_agree(capsys):
    assert main(["doctor"]) == 0
    assert capsys.readouterr().out.count("30 of 30 with one seed agree\n") == 2
