"""Latent operations: what every registered one must do, and what each is for."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from vaeaug.errors import InputError
from vaeaug.latent.operations import (
    OPERATIONS,
    Codes,
    Space,
    blend,
    choose_operation,
    interpolate,
    lattice,
    recondition,
    shift,
    traverse,
    walk,
)

D, K, N = 6, 3, 5
CUTS = {"level_1": slice(0, 2), "level_2": slice(2, D)}


def classes_of(c):
    return np.where(c.any(1), c.argmax(1), K)


@pytest.fixture
def space():
    rng = np.random.default_rng(0)
    labels = np.arange(300) % K
    z = rng.normal(size=(300, D)) * np.arange(1, D + 1) + 10.0 * labels[:, None] * (np.arange(D) == 1)
    known = Codes(z, np.eye(K, dtype=np.float32)[labels])
    return Space(known, CUTS, ((0, K, True),), classes_of, lambda: np.random.default_rng(1))


def source(seed=0, label=0):
    z = np.random.default_rng(seed).normal(size=(N, D))
    return Codes(z, np.tile(np.eye(K, dtype=np.float32)[label], (N, 1)))


#: What an operation needs beside its defaults, and how many sources it is tried with.
CALLS = {
    "interpolate": (2, {}),
    "blend": (2, {}),
    "shift": (1, {"by": np.ones(D)}),
    "recondition": (1, {"c": np.tile(np.eye(K, dtype=np.float32)[1], (N, 1))}),
}


@pytest.mark.parametrize("name", list(OPERATIONS))
def test_every_operation_returns_codes_of_its_rows_and_changes_nothing(space, name):
    count, options = CALLS.get(name, (1, {}))
    sources = [source(seed) for seed in range(count)]
    kept = [each.z.copy() for each in sources]
    made = OPERATIONS[name](space, *sources, **options)
    assert made.z.shape[-2:] == (N, D)
    assert np.isfinite(made.z).all()
    assert np.broadcast_shapes(made.c.shape[:-1], made.z.shape[:-1]) == made.z.shape[:-1]
    for each, before in zip(sources, kept, strict=True):
        assert_array_equal(each.z, before)


@pytest.mark.parametrize("name", list(OPERATIONS))
def test_every_operation_is_found_by_its_name(name):
    count, options = CALLS.get(name, (1, {}))
    assert choose_operation(name, count, options) is OPERATIONS[name]


@pytest.mark.parametrize("path", ["linear", "spherical"])
def test_interpolation_starts_and_ends_at_its_ends(space, path):
    first, second = source(0), source(1, label=2)
    made = interpolate(space, first, second, steps=5, path=path)
    assert made.z.shape == (5, N, D)
    assert_allclose(made.z[0], first.z)
    assert_allclose(made.z[-1], second.z, atol=1e-12)
    assert_allclose(made.c[2], (first.c + second.c) / 2)


def test_interpolation_in_a_straight_line_is_the_formula(space):
    first, second = source(0), source(1)
    assert_allclose(interpolate(space, first, second, steps=5).z[1], 0.75 * first.z + 0.25 * second.z)


def test_blends_of_two_three_and_by_level(space):
    a, b, c = (source(seed) for seed in range(3))
    assert_allclose(blend(space, a, b, weight=0.2).z, 0.2 * a.z + 0.8 * b.z)
    assert_allclose(blend(space, a, b, c, weight=[0.5, 0.2, 0.3]).z, 0.5 * a.z + 0.2 * b.z + 0.3 * c.z)
    mixed = blend(space, a, b, weight={"level_2": 1.0, "level_1": [0.0, 1.0]})
    assert_array_equal(mixed.z[:, 2:], a.z[:, 2:])
    assert_array_equal(mixed.z[:, :2], b.z[:, :2])


def test_other_contexts_carry_codes_to_their_class(space):
    moved = recondition(space, source(), c=CALLS["recondition"][1]["c"], pull=0.0)
    assert_allclose(moved.z[:, 1] - source().z[:, 1], 10.0, atol=1.0)
    drawn = recondition(space, source(), c=moved.c, pull=1.0)
    means = space.known.z[1::K].mean(0)
    assert np.linalg.norm(drawn.z - means, axis=1).mean() < np.linalg.norm(moved.z - means, axis=1).mean()


def test_what_differs_most_within_classes_is_style_and_stays():
    rng = np.random.default_rng(0)
    labels = np.arange(600) % K
    z = rng.normal(size=(600, 8)) * [1.4, *7 * [1.0]]
    known = Codes(z, np.eye(K, dtype=np.float32)[labels])
    space = Space(known, {}, ((0, K, True),), classes_of, lambda: np.random.default_rng(1))
    some = Codes(2 * z[::K][:100], known.c[::K][:100])
    kept = recondition(space, some, c=known.c[1::K][:100], pull=0.0).z
    moved = np.abs(recondition(space, some, c=known.c[1::K][:100], pull=1.0).z - kept).mean(0)
    assert 0 < moved[0] < 0.5 * moved[1:].min()


def test_the_same_context_changes_nothing_and_no_pull_leaves_the_codes(space):
    same = recondition(space, source(), c=source().c)
    assert_allclose(same.z, source().z)
    other = recondition(space, source(), c=CALLS["recondition"][1]["c"], pull=None)
    assert_array_equal(other.z, source().z)
    assert_array_equal(other.c, CALLS["recondition"][1]["c"])


def test_an_unknown_class_starts_from_the_average_row(space):
    unknown = Codes(source().z, np.zeros((N, K), dtype=np.float32))
    moved = recondition(space, unknown, c=CALLS["recondition"][1]["c"], pull=0.0)
    # Class 1 lies at 10 and all rows at 10 on average.
    assert_allclose(moved.z, unknown.z, atol=1.0)


def test_a_traversal_changes_one_dimension_at_a_time(space):
    made = traverse(space, source(), dims=[4, 0], steps=3, reach=2.0)
    assert made.z.shape == (2, 3, N, D)
    for i, dim in enumerate([4, 0]):
        others = np.delete(np.arange(D), dim)
        assert_array_equal(made.z[i][..., others], np.broadcast_to(source().z[:, others], (3, N, D - 1)))
        spread = space.known.z[:, dim].std()
        assert_allclose(np.ptp(made.z[i, :, :, dim], axis=0), 4 * spread)


def test_a_traversal_takes_the_most_varied_dimensions_by_itself(space):
    made = traverse(space, source(), steps=2)
    order = np.argsort(-space.known.z.std(0), kind="stable")
    changed = [int(np.flatnonzero(np.ptp(row, axis=0).any(0))[0]) for row in made.z]
    assert changed == order.tolist()


def test_main_axes_start_from_the_row_itself(space):
    made = traverse(space, source(), dims=[0], steps=3, basis="main")
    assert_allclose(made.z[0, 1], source().z)


def test_a_lattice_changes_two_dimensions_together(space):
    made = lattice(space, source(), dims=(0, 3), steps=3, basis="codes")
    assert made.z.shape == (3, 3, N, D)
    assert (np.ptp(made.z[:, 0, :, 0], axis=0) > 0).all()
    assert_allclose(np.ptp(made.z[:, 0, :, 3], axis=0), 0)
    assert (np.ptp(made.z[0, :, :, 3], axis=0) > 0).all()


def test_a_walk_starts_at_the_row_and_stays_among_its_class(space):
    made = walk(space, source(label=2), steps=400, stride=0.5)
    assert_array_equal(made.z[0], source().z)
    cloud = space.known.z[2::K]
    wandered = made.z[50:].reshape(-1, D)
    assert_allclose(wandered.mean(0), cloud.mean(0), atol=0.2 * cloud.std(0).max())
    assert_allclose(wandered.std(0), cloud.std(0), rtol=0.15)


def test_no_stride_stands_still(space):
    made = walk(space, source(), steps=3, stride=0.0)
    assert_allclose(made.z, np.broadcast_to(source().z, (3, N, D)))


def test_a_shift_moves_codes_only(space):
    made = shift(space, source(), by=np.full(D, 2.0))
    assert_array_equal(made.z, source().z + 2)
    assert_array_equal(made.c, source().c)


BAD = {
    "one step": (lambda s: interpolate(s, source(), source(), steps=1), ["steps", ">= 2", "got 1"]),
    "an unknown path": (
        lambda s: interpolate(s, source(), source(), path="short"),
        ["path", "'linear'", "'short'"],
    ),
    "one source": (lambda s: blend(s, source()), ["at least two sources", "got 1"]),
    "weights that do not sum": (
        lambda s: blend(s, source(), source(), weight=[0.5, 0.6]),
        ["weight must add up to 1", "1.1"],
    ),
    "too few weights": (
        lambda s: blend(s, source(), source(), source(), weight=[0.5, 0.5]),
        ["one number for each of the 3 sources", "[0.5, 0.5]"],
    ),
    "one weight for three": (
        lambda s: blend(s, source(), source(), source()),
        ["each of the 3 sources", "0.5"],
    ),
    "a weight of text": (
        lambda s: blend(s, source(), source(), weight="half"),
        ["weight must be a number", "'half'"],
    ),
    "a weight that is none": (
        lambda s: blend(s, source(), source(), weight=np.nan),
        ["weight must be a number"],
    ),
    "ragged weights": (lambda s: blend(s, source(), source(), weight=[[1], [0, 1]]), ["weight must be"]),
    "an unknown level": (
        lambda s: blend(s, source(), source(), weight={"level_1": 0.5, "top": 0.5}),
        ["every level", "'level_1', 'level_2'", "'top'"],
    ),
    "a dimension too far": (lambda s: traverse(s, source(), dims=[D]), ["dims", "<= 5", "got 6"]),
    "no dimension": (lambda s: traverse(s, source(), dims=[]), ["dims must name at least one"]),
    "no reach": (lambda s: traverse(s, source(), reach=0), ["reach", "> 0", "got 0"]),
    "one dimension twice": (
        lambda s: lattice(s, source(), dims=(1, 1)),
        ["two different dimensions", "(1, 1)"],
    ),
    "an unknown basis": (lambda s: traverse(s, source(), basis="pixels"), ["basis", "'codes', 'main'"]),
    "a stride too long": (lambda s: walk(s, source(), stride=2), ["stride", "<= 1", "got 2"]),
    "a pull too strong": (
        lambda s: recondition(s, source(), c=source().c, pull=1.5),
        ["pull", "<= 1", "1.5"],
    ),
    "an unknown operation": (lambda s: choose_operation("swirl", 1, {}), ["operation", "'walk'", "'swirl'"]),
    "an unknown option": (
        lambda s: choose_operation("walk", 1, {"speed": 1}),
        ["'walk' has no option 'speed'", "'stride'"],
    ),
    "a missing option": (lambda s: choose_operation("shift", 1, {}), ["'shift' needs 'by'"]),
    "too many sources": (
        lambda s: choose_operation("walk", 2, {}),
        ["'walk' takes 1 source of rows", "got 2"],
    ),
    "no sources": (lambda s: choose_operation("blend", 0, {}), ["at least 1 source", "got 0"]),
}


@pytest.mark.parametrize("case", list(BAD))
def test_bad_calls_are_refused_in_a_sentence(space, case):
    call, words = BAD[case]
    with pytest.raises(InputError) as caught:
        call(space)
    assert all(word in str(caught.value) for word in words), str(caught.value)
