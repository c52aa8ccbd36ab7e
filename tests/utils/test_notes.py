"""Warnings: a note on the columns of a table is said once, others once for each line."""

import warnings

import pytest

from vaeaug.errors import ColumnNote, VaeaugWarning
from vaeaug.utils import notes


@pytest.fixture(autouse=True)
def nothing_said(monkeypatch):
    monkeypatch.setattr(notes, "_SAID", set())


def say_on_two_lines(category, action):
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter(action)
        for _ in range(2):
            notes.warn_caller("X has columns of codes: 'zip'.", category)
        notes.warn_caller("X has columns of codes: 'zip'.", category)
        notes.warn_caller("X has columns of codes: 'town'.", category)
    return len(said)


@pytest.mark.parametrize(("category", "times"), [(ColumnNote, 2), (VaeaugWarning, 3)])
def test_the_same_note_on_columns_is_said_once(category, times):
    assert say_on_two_lines(category, "default") == times


def test_who_asks_for_all_gets_all():
    assert say_on_two_lines(ColumnNote, "always") == 4
