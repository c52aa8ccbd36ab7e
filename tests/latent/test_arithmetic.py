"""Pure functions on codes."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from vaeaug.latent.arithmetic import (
    average_nearby,
    find_common_axes,
    find_main_axes,
    lerp,
    measure_disagreement,
    perturb,
    pick_neighbours,
    pick_sources,
    pull_towards,
    regress,
    slerp,
    wander,
)
from vaeaug.layout import Layout, Span


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
    found = pick_neighbours(sources, codes, groups, 2, rng)
    assert (groups[found] == groups[sources]).all()
    assert (found != sources).all()
    # Two nearest of the class: one on each side, or both on one side at the ends.
    assert np.abs(codes[found] - codes[sources]).max() == 4
    assert (np.abs(codes[found] - codes[sources])[(sources > 1) & (sources < 18)] == 2).all()


def test_every_neighbour_gets_its_turn(rng):
    found = pick_neighbours(np.full(300, 5), np.arange(20.0)[:, None], np.zeros(20, int), 4, rng)
    assert set(found) == {3, 4, 6, 7}


def test_a_lone_row_is_its_own_neighbour(rng):
    found = pick_neighbours(np.array([1, 1]), np.zeros((3, 2)), np.array([0, 1, 0]), 5, rng)
    assert_array_equal(found, [1, 1])


def test_equal_codes_still_have_other_neighbours(rng):
    found = pick_neighbours(np.repeat(np.arange(6), 20), np.zeros((6, 2)), np.zeros(6, int), 2, rng)
    assert (found != np.repeat(np.arange(6), 20)).all()


# --- paths, axes and clouds ------------------------------------------------------------


def test_slerp_keeps_the_length_of_codes_of_one_length(rng):
    first, second = (
        each / np.linalg.norm(each, axis=1, keepdims=True) for each in rng.normal(size=(2, 20, 5))
    )
    for weight in (0.0, 0.3, 0.5, 1.0):
        assert_allclose(np.linalg.norm(slerp(first, second, weight), axis=1), 1.0)
    assert_allclose(slerp(first, second, 1.0), first)
    assert_allclose(slerp(first, second, 0.0), second)


def test_slerp_goes_by_equal_angles():
    first, second = np.array([[1.0, 0.0]]), np.array([[0.0, 3.0]])
    angles = [np.degrees(np.arctan2(*slerp(first, second, w)[0][::-1])) for w in (1, 2 / 3, 1 / 3, 0)]
    assert_allclose(angles, [0, 30, 60, 90])


@pytest.mark.parametrize("second", [[2.0, 2.0], [-1.0, -1.0], [0.0, 0.0]])
def test_slerp_is_a_line_where_there_is_no_arc(second):
    first, second = np.array([[1.0, 1.0]]), np.array([second])
    assert_allclose(slerp(first, second, 0.25), lerp(first, second, 0.25))


def test_main_axes_are_those_of_the_spread(rng):
    codes = rng.normal(size=(20_000, 3)) * [1.0, 5.0, 2.0] + 7
    assert_allclose(find_main_axes(codes, 2), [[0, 5, 0], [0, 0, 2]], atol=0.1)


def test_regression_on_one_label_gives_the_means_of_the_classes(rng):
    labels = np.arange(90) % 3
    codes = rng.normal(size=(90, 2)) + 3 * labels[:, None]
    means = np.stack([codes[labels == k].mean(0) for k in range(3)])
    effect = regress(codes, np.eye(3)[labels])
    assert_allclose(effect - effect[0], means - means[0], atol=1e-3)


def test_regression_holds_the_other_variables(rng):
    first = rng.normal(size=5000)
    second = 0.8 * first + 0.6 * rng.normal(size=5000)
    codes = np.stack([2 * first, second, rng.normal(size=5000)], 1)
    assert_allclose(regress(codes, np.stack([first, second], 1)), [[2, 0, 0], [0, 1, 0]], atol=0.05)


def test_near_means_are_of_the_same_group_and_of_like_tags(rng):
    cloud = rng.normal(size=(200, 2))
    groups, tags = np.arange(200) % 2, np.linspace(-1, 1, 200)
    values = np.stack([groups, tags], 1)
    found = average_nearby(
        values,
        np.zeros((3, 2)),
        cloud,
        groups=(np.array([[0], [1], [5]]), groups[:, None]),
        tags=(np.array([[0.8], [-0.8], [0.0]]), tags[:, None]),
        k=5,
    )
    assert_allclose(found[:2, 0], [0, 1])
    assert_allclose(found[:2, 1], [0.8, -0.8], atol=0.15)
    assert np.isnan(found[2]).all()


def test_a_pull_goes_part_of_the_way(rng):
    cloud = rng.normal(size=(50, 3))
    codes = rng.normal(size=(4, 3)) + 9
    whole = pull_towards(codes, cloud, 1.0)
    assert_allclose(pull_towards(codes, cloud, 0.25), 0.75 * codes + 0.25 * whole)
    assert_array_equal(pull_towards(codes, cloud, 0.0), codes)
    alone = (np.array([[1]] * 4), np.zeros((50, 1), int))
    assert_array_equal(pull_towards(codes, cloud, 0.5, groups=alone), codes)


def test_common_axes_are_what_differs_within_groups(rng):
    groups = np.arange(900) % 3
    codes = rng.normal(size=(900, 4)) * [1.0, 4.0, 0.5, 2.0] + 30.0 * np.eye(4)[groups]
    (first,) = find_common_axes(codes, groups, 0.8).T
    assert_allclose(np.abs(first), [0, 1, 0, 0], atol=0.1)
    both = find_common_axes(codes, groups, 0.97)
    assert_allclose(np.abs(both).argmax(0), [1, 3])
    assert_allclose(both.T @ both, np.eye(2), atol=1e-12)
    assert find_common_axes(codes, groups, 0.1).shape == (4, 0)


def test_slopes_reach_the_tags_that_no_near_code_has(rng):
    tags = rng.uniform(-1, 1, size=(300, 1))
    cloud = np.concatenate([3 * tags, rng.normal(size=(300, 1))], 1)
    wanted = (np.full((5, 1), 1.4), tags)
    codes = np.array([[3.0, 0.0]] * 5)
    short = pull_towards(codes, cloud, 1.0, tags=wanted)
    whole = pull_towards(codes, cloud, 1.0, tags=wanted, slopes=np.array([[3.0, 0.0]]))
    assert (short[:, 0] < 3.05).all()
    assert_allclose(whole[:, 0], 3 * 1.4)
    assert_allclose(whole[:, 1], short[:, 1])


def test_a_walk_has_the_moments_of_its_region(rng):
    path = wander(np.zeros((200, 1)), np.full((1, 1), 4.0), np.full((1, 1), 3.0), 300, 0.4, rng)
    assert path.shape == (300, 200, 1)
    assert abs(path[50:].mean() - 4) < 0.2
    assert abs(path[50:].std() - 3) < 0.1
    assert np.abs(np.diff(path[:, 0, 0])).mean() < 2


def test_disagreement_is_the_spread_of_draws(rng):
    image = Layout.image(1, 2, 2)
    draws = [0.5 * rng.normal(size=(3, 1, 2, 2)) for _ in range(4000)]
    assert_allclose(measure_disagreement(draws, image), 0.25, atol=0.01)
    assert_array_equal(measure_disagreement(draws[:1] * 3, image), 0)


def test_disagreement_counts_numbers_by_their_hints_and_categories_by_their_codes(rng):
    row = Layout.row([Span("categorical", 9), Span("position", 1), Span("hint", 1), Span("categorical", 2)])
    real, codes = row.quantities
    assert (real.tolist(), codes.tolist()) == ([2], [3])

    def draw():
        return np.stack(
            [rng.integers(0, 9, 50), rng.random(50), rng.normal(size=50), rng.integers(0, 2, 50)], 1
        )

    assert abs(measure_disagreement([draw() for _ in range(500)], row).mean() - 0.75) < 0.02
