"""Pure functions on codes."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from vaeaug.operations import lerp, perturb, pick_sources, same_class_neighbours


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def test_lerp_ends_at_its_ends():
    a, b = np.array([[1.0, 2.0]]), np.array([[5.0, 0.0]])
    assert_array_equal(lerp(a, b, 1), a)
    assert_array_equal(lerp(a, b, 0), b)
    assert_allclose(lerp(a, b, np.array([[0.25]])), [[4.0, 0.5]])


def test_no_strength_is_the_mean(rng):
    mean = rng.normal(size=(5, 2))
    assert_array_equal(perturb(mean, np.ones((5, 2)), 0.0, rng), mean)


def test_perturbation_has_the_spread_asked_for(rng):
    found = perturb(np.full((50_000, 1), 3.0), np.full((50_000, 1), 2.0), 0.5, rng)
    assert abs(found.mean() - 3) < 0.02
    assert abs(found.std() - 1) < 0.02


def test_sources_are_of_the_wanted_class(rng):
    groups, wanted = np.array([0, 1, 1, 0, 2]), np.array([1, 1, 0, 2, 1, 2])
    assert_array_equal(groups[pick_sources(wanted, groups, rng)], wanted)


def test_sources_are_used_evenly(rng):
    counts = np.bincount(pick_sources(np.zeros(23, int), np.zeros(10, int), rng), minlength=10)
    assert set(counts) == {2, 3}


def test_a_class_without_rows_has_no_source(rng):
    assert_array_equal(pick_sources(np.array([0, 3]), np.array([0]), rng), [0, -1])


def test_nothing_wanted_is_nothing_picked(rng):
    assert pick_sources(np.zeros(0, int), np.array([0]), rng).shape == (0,)


def test_neighbours_are_near_rows_of_the_class(rng):
    codes = np.arange(20.0)[:, None]
    groups = np.arange(20) % 2
    sources = np.repeat(np.arange(20), 30)
    found = same_class_neighbours(sources, codes, groups, 2, rng)
    assert (groups[found] == groups[sources]).all()
    assert (found != sources).all()
    # Two nearest of the class: one on each side, or both on one side at the ends.
    assert np.abs(codes[found] - codes[sources]).max() == 4
    assert (np.abs(codes[found] - codes[sources])[(sources > 1) & (sources < 18)] == 2).all()


def test_every_neighbour_gets_its_turn(rng):
    found = same_class_neighbours(np.full(300, 5), np.arange(20.0)[:, None], np.zeros(20, int), 4, rng)
    assert set(found) == {3, 4, 6, 7}


def test_a_lone_row_is_its_own_neighbour(rng):
    found = same_class_neighbours(np.array([1, 1]), np.zeros((3, 2)), np.array([0, 1, 0]), 5, rng)
    assert_array_equal(found, [1, 1])


def test_equal_codes_still_have_other_neighbours(rng):
    found = same_class_neighbours(np.repeat(np.arange(6), 20), np.zeros((6, 2)), np.zeros(6, int), 2, rng)
    assert (found != np.repeat(np.arange(6), 20)).all()
