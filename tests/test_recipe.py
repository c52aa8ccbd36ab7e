"""A recipe is a value: compared, hashed, printed, pickled, and written as JSON."""

import json
import pickle

import numpy as np
import pytest
from sklearn.base import clone

from vaeaug import Recipe, VAEAugmenter
from vaeaug.recipe import parameter_from_json, parameter_to_json

RECIPE = Recipe("mixture", components=32, pseudo_count=2.5)


def test_repr_is_code_that_makes_it():
    assert eval(repr(RECIPE)) == RECIPE


@pytest.mark.parametrize(
    "other",
    [
        Recipe("flow", components=32, pseudo_count=2.5),
        Recipe("mixture"),
        RECIPE.replace(components=8),
        "mixture",
        None,
    ],
)
def test_equality_looks_at_name_and_options(other):
    assert other != RECIPE
    assert Recipe("mixture", pseudo_count=2.5, components=32) == RECIPE


def test_equal_recipes_hash_alike():
    assert len({RECIPE, Recipe("mixture", pseudo_count=2.5, components=32)}) == 1


def test_replace_returns_a_copy():
    assert RECIPE.replace(components=8).options == {"components": 8, "pseudo_count": 2.5}
    assert RECIPE.options["components"] == 32


def test_options_cannot_be_changed_from_outside():
    RECIPE.options["components"] = 1
    assert RECIPE.options["components"] == 32


def test_an_attribute_cannot_be_set():
    with pytest.raises(AttributeError):
        RECIPE.name = "flow"


def test_a_name_is_a_recipe_without_options():
    assert Recipe.of("flow") == Recipe("flow")
    assert Recipe.of(RECIPE) is RECIPE


def test_json_round_trip():
    assert Recipe.from_json(json.loads(json.dumps(RECIPE.to_json()))) == RECIPE


def test_pickle_round_trip():
    assert pickle.loads(pickle.dumps(RECIPE)) == RECIPE


def test_clone_of_an_estimator_keeps_it():
    assert clone(VAEAugmenter(prior=RECIPE)).get_params()["prior"] == RECIPE


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (RECIPE, RECIPE),
        (None, None),
        (True, True),
        (0.5, 0.5),
        ("auto", "auto"),
        ((8, 8), [8, 8]),
        (np.float32(0.5), 0.5),
        (np.array([True, False]), [True, False]),
        ({"kl": 1.0}, {"kl": 1.0}),
        (np.random.default_rng(0), None),
        (object(), None),
    ],
    ids=lambda value: type(value).__name__,
)
def test_parameters_are_written_as_json_can_hold_them(value, expected):
    assert parameter_from_json(json.loads(json.dumps(parameter_to_json(value)))) == expected
