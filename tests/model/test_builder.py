"""The builder: every registered part is built from a blueprint, and a blueprint fits in a file."""

import json
import re

import pytest
import torch
from made_blueprint import blueprint

from vaeaug.errors import InputError
from vaeaug.layout import Layout
from vaeaug.model.builder import NETWORKS, Blueprint, build, choose_recipe, complete_recipe, drop_critics
from vaeaug.nn.latents.registry import LATENTS
from vaeaug.nn.likelihoods.pixels import PIXELS
from vaeaug.nn.posteriors.registry import POSTERIORS
from vaeaug.nn.priors.registry import PRIORS
from vaeaug.recipe import Recipe
from vaeaug.utils.random import isolate_torch

PARTS = [
    (part, name)
    for part, registry in (
        ("network", NETWORKS),
        ("prior", PRIORS),
        ("posterior", POSTERIORS),
        ("latent", LATENTS),
    )
    for name in registry
    if name != "convolutional"
]
IMAGES = Layout.image(1, 6, 5)


#: What parts that do not go with a Gaussian posterior, a flat latent and a mixture prior go with.
COMPANIONS = {
    "categorical": {"prior": Recipe("tokens"), "latent_dim": 4},
    "tokens": {"posterior": Recipe("categorical"), "latent_dim": 4},
    "top_down": {"latent": Recipe("ladder")},
}


@pytest.fixture
def rows():
    x = torch.tensor([[2, 0.5, 1.0, 1], [0, 0.1, -1.0, 0]])
    return x, torch.tensor([[1, 0, 0.3, 1], [0, 1, -0.7, 1.0]])


@pytest.mark.parametrize(("part", "name"), PARTS, ids="-".join)
def test_every_part_is_built_and_trained_a_step(rows, part, name):
    objective = build(blueprint(**COMPANIONS.get(name, {}), **{part: Recipe(name)}))
    pieces = objective(rows, 0.5)
    assert set(pieces) == {"loss", "reconstruction", "kl"}
    pieces["loss"].mean().backward()
    assert objective.vae.sample(rows[1]).shape == (2, 4)


@pytest.mark.parametrize("likelihood", ["auto", *PIXELS])
def test_the_network_of_images_is_built_and_trained_a_step(rows, likelihood):
    network = Recipe("convolutional", width=4, likelihood=likelihood)
    objective = build(blueprint(layout=IMAGES, network=network))
    pieces = objective((torch.rand(2, 1, 6, 5), rows[1]), 0.5)
    pieces["loss"].mean().backward()
    assert objective.vae.sample(rows[1]).shape == (2, 1, 6, 5)


def test_pixels_are_gaussian_unless_told_otherwise():
    for options, expected in (({}, "gaussian"), ({"likelihood": "texture"}, "texture")):
        network = Recipe("convolutional", width=4, **options)
        assert type(build(blueprint(layout=IMAGES, network=network)).vae.likelihood) is PIXELS[expected]


@pytest.mark.parametrize(
    ("network", "changes", "fitting"),
    [("convolutional", {}, "take tables; use 'residual'"), ("residual", {"layout": IMAGES}, "take images")],
)
def test_a_network_that_does_not_suit_the_data_is_refused(network, changes, fitting):
    with pytest.raises(InputError, match=f"network=.*does not {fitting}"):
        build(blueprint(network=Recipe(network), **changes))


@pytest.mark.parametrize("context", [0, 4])
def test_the_context_may_be_empty(rows, context):
    blocks = ((0, 4),) if context else ()
    objective = build(blueprint(context_width=context, blocks=blocks, class_block=(0, 0)))
    assert objective((rows[0], rows[1][:, :context]), 0.5)["loss"].shape == (2,)


def test_a_seed_decides_the_weights():
    def built():
        with isolate_torch(3):
            return build(blueprint()).state_dict()

    first, second = built(), built()
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_the_kl_warms_up_and_the_reconstruction_does_not(rows):
    terms = build(blueprint(warmup=0.2)).terms
    assert terms["reconstruction"][0](0.0) == 1.0
    assert terms["kl"][0](0.0) == 0.0
    assert terms["kl"][0](0.2) == 0.5


def test_a_blueprint_fits_in_a_file():
    network = complete_recipe(Recipe("residual", width=8))
    original = blueprint(network=network, prior=Recipe("mixture", components=5), label_dropout=0.3)
    assert Blueprint.from_json(json.loads(json.dumps(original.to_json()))) == original


def test_a_network_is_settled_with_all_its_options():
    expected = Recipe("convolutional", width=4, depth=1, features=256, likelihood="gaussian")
    assert complete_recipe(Recipe("convolutional", width=4)) == expected
    assert complete_recipe(Recipe("convolutional", width=4, likelihood="auto")) == expected
    assert complete_recipe(Recipe("convolutional", likelihood="texture")).options["likelihood"] == "texture"
    assert complete_recipe(Recipe("residual", colour=3)).options["colour"] == 3  # refused by build


def test_a_part_is_chosen_by_name_or_recipe():
    assert choose_recipe("flow", PRIORS, "prior") == Recipe("flow")
    assert choose_recipe(Recipe("flow", steps=3), PRIORS, "prior") == Recipe("flow", steps=3)


@pytest.mark.parametrize("value", ["oracle", Recipe("oracle")])
def test_an_unknown_part_is_refused(value):
    with pytest.raises(InputError, match="prior must be one of 'standard', 'gaussian'.*got 'oracle'"):
        choose_recipe(value, PRIORS, "prior")


def test_what_is_neither_name_nor_recipe_is_refused():
    with pytest.raises(InputError, match="prior must be a name or a Recipe, got 3"):
        choose_recipe(3, PRIORS, "prior")


@pytest.mark.parametrize("part", ["network", "prior", "posterior", "latent"])
def test_an_option_that_a_part_does_not_take_is_refused(part):
    recipe = getattr(blueprint(), part).replace(colour="red")
    with pytest.raises(
        InputError, match=re.escape(f"{part}={recipe!r}: {recipe.name!r} has no option 'colour'")
    ):
        build(blueprint(**{part: recipe}))


def test_a_trained_model_is_rebuilt_without_critics_and_given_networks():
    losses = {"reconstruction": 1.0, "kl": Recipe("kl", free_bits=1.0), "factor": 2.0, "tc": Recipe("factor")}
    assert set(drop_critics(blueprint(losses=losses)).losses) == {"reconstruction", "kl"}
