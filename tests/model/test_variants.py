"""The family: combinations of parts train or say why not; each variant works from fit to file."""

import math
import warnings

import numpy as np
import pytest
import torch
from made_blueprint import blueprint
from sklearn.base import clone
from sklearn.datasets import load_wine

import vaeaug
from vaeaug import VARIANTS, VAEAugmenter
from vaeaug.errors import InputError
from vaeaug.layout import Layout
from vaeaug.losses.terms import TERMS
from vaeaug.model import model as models
from vaeaug.model import training
from vaeaug.model.builder import weigh_losses
from vaeaug.model.model import Model
from vaeaug.model.training import TrainingRows, fit_prior, train_networks
from vaeaug.nn.latents.registry import LATENTS
from vaeaug.nn.posteriors.registry import POSTERIORS
from vaeaug.nn.priors.registry import PRIORS
from vaeaug.recipe import Recipe
from vaeaug.training.options import Options
from vaeaug.training.run import Conditions
from vaeaug.training.runtime import Runtime

N = 24
BASIC = {"reconstruction": 1.0, "kl": 1.0}
#: The losses that the grid walks: the bound, each further term beside it, and the other bound alone.
LOSSES = [
    BASIC,
    {"iwae": 1.0},
    *({**BASIC, name: 1.0} for name in TERMS if name not in (*BASIC, "iwae")),
]


@pytest.fixture(scope="module")
def rows():
    rng = np.random.default_rng(0)
    token = rng.integers(3, size=N)
    x = np.stack([token, rng.random(N), token - 1.0, rng.integers(2, size=N)], 1)
    c = np.concatenate([np.eye(2)[np.arange(N) % 2], rng.normal(size=(N, 1)), np.ones((N, 1))], 1)
    return x.astype(np.float32), c.astype(np.float32)


@pytest.fixture(autouse=True)
def few_codes(monkeypatch):
    monkeypatch.setattr(training, "_LEAST_CODES", N)
    monkeypatch.setattr(training, "_BLOCK", 4 * N)
    monkeypatch.setattr(models, "_CHUNK", 4 * N)


def trained(rows, **changes):
    """Build a model and give it two steps; nothing may come out that is not finite."""
    x, c = rows
    model = Model.create(blueprint(latent_dim=4, **changes), Runtime("cpu"), seed=0)
    result = train_networks(
        model, TrainingRows(x, c), np.arange(N) < 4, Options(max_iter=1, batch_size=10), Conditions(0)
    )
    fit_prior(model, TrainingRows(x, c), Options(max_iter=1, batch_size=N), Conditions(0))
    assert all(math.isfinite(value) for values in result.history.values() for value in values)
    assert np.isfinite(model.sample(c, temperature=1.0, seed=0)).all()
    assert np.isfinite(model.log_likelihood(x, c, draws=2, seed=0)).all()
    mean, scale = model.encode(x, c)
    assert np.isfinite(mean).all()
    assert (scale > 0).all()
    return model


# --- the grid --------------------------------------------------------------------------


@pytest.mark.slow  # eighteen models
@pytest.mark.parametrize("posterior", list(POSTERIORS))
@pytest.mark.parametrize("latent", list(LATENTS))
def test_any_combination_of_parts_trains_or_says_why_not(rows, latent, posterior):
    parts = {"latent": Recipe(latent), "posterior": Recipe(posterior)}
    for prior in PRIORS:
        for losses in LOSSES:
            try:
                trained(rows, **parts, prior=Recipe(prior), losses=losses)
            except InputError as refusal:
                sentence = str(refusal)
                assert len(sentence) < 320
                assert any(word in sentence for word in (" use ", "needs ", "call "))
                if losses is BASIC:
                    break  # the parts do not fit together, whatever the losses


# --- the list --------------------------------------------------------------------------


def test_the_family_is_complete():
    expected = (
        "vae ae beta beta_tc factor ladder vlae flow iaf vamp mixture flow_matching discrete perceptual"
    )
    assert {*expected.split(), "adversarial", "iwae", "planar", "cyclical", "free_bits"} <= set(VARIANTS)


def test_every_registered_part_and_term_is_used_by_a_variant():
    used = {kind: set() for kind in ("posterior", "latent", "prior", "losses")}
    for name in VARIANTS:
        parameters = VAEAugmenter(**VARIANTS[name]).get_params()
        for kind in ("posterior", "latent", "prior"):
            used[kind].add(Recipe.of(parameters[kind]).name)
        used["losses"] |= set(parameters["losses"] or BASIC)
    # A Gaussian per class is the mixture with one component.
    assert used["prior"] | {"gaussian"} == set(PRIORS)
    assert used["posterior"] == set(POSTERIORS)
    assert used["latent"] == set(LATENTS)
    assert used["losses"] == set(TERMS)


def test_the_list_cannot_be_changed():
    with pytest.raises(TypeError):
        VARIANTS["vae"]["beta"] = 2.0
    with pytest.raises(TypeError):
        VARIANTS["mine"] = {}


def test_an_unknown_variant_is_refused_in_a_sentence():
    with pytest.raises(InputError, match="^VARIANTS has no 'vqvae'; use one of 'vae', 'ae', 'beta'"):
        VARIANTS["vqvae"]
    assert "vqvae" not in VARIANTS
    assert VARIANTS.get("vqvae") is None
    assert "flow_matching" in repr(VARIANTS)


# --- from fit to file ------------------------------------------------------------------


@pytest.fixture(params=list(VARIANTS))
def variant(request):
    return request.param


def test_a_variant_is_fitted_sampled_saved_and_loaded(variant, tmp_path):
    X, y = load_wine(return_X_y=True, as_frame=True)
    X, y = X.iloc[::3, :5], y.iloc[::3]
    augmenter = clone(VAEAugmenter(**VARIANTS[variant], latent_dim=4, max_iter=2, random_state=0))
    augmenter.set_params(network=Recipe("residual", width=16, depth=1)).fit(X, y)
    new, labels = augmenter.sample(5, y=1, random_state=3)
    assert new.dtypes.equals(X.dtypes)
    assert (labels == 1).all()
    assert np.isfinite(augmenter.transform(X)).all()
    assert len(augmenter.vary(X.iloc[:3], random_state=0)) == len(augmenter.reconstruct(X.iloc[:3])) == 3
    augmenter.save(tmp_path / "model.safetensors")
    again = vaeaug.load(tmp_path / "model.safetensors", device="cpu")
    assert again.sample(5, y=1, random_state=3)[0].equals(new)
    np.testing.assert_array_equal(
        again.score_samples(X, y, n_draws=1), augmenter.score_samples(X, y, n_draws=1)
    )
    assert again.get_params()["losses"] == augmenter.get_params()["losses"]


def test_a_variant_serves_images_too(variant):
    layout = Layout.image(1, 8, 8)
    x = torch.rand(N, 1, 8, 8).numpy() * 2 - 1
    c = np.eye(2, dtype=np.float32)[np.arange(N) % 2]
    settings = dict(VARIANTS[variant])
    posterior = Recipe.of(settings.get("posterior", "gaussian"))
    parts = {
        name: Recipe.of(settings.get(name, default)) for name, default in (("prior", 0), ("latent", "flat"))
    }
    model = trained(
        (x, c),
        layout=layout,
        context_width=2,
        blocks=((0, 2),),
        network=Recipe("convolutional", width=4, features=8),
        posterior=posterior,
        losses=weigh_losses(settings.get("losses"), settings["beta"], posterior),
        **parts,
    )
    assert model.sample(c, temperature=1.0, seed=0).shape == (N, 1, 8, 8)


# --- what cannot be --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"latent": "ladder", "posterior": "iaf"}, "use it with posterior='gaussian'"),
        ({"latent": "ladder", "prior": "vamp"}, "use prior='top_down'"),
        (
            {"latent": "ladder", "latent_dim": 1},
            "2 levels need at least as many dimensions; got latent_dim=1",
        ),
        ({"posterior": "iaf", "prior": "vamp"}, "it needs posterior='gaussian'"),
        ({"posterior": "categorical"}, "use it with prior='tokens'"),
        (
            {"posterior": Recipe("categorical", groups=3), "prior": "tokens"},
            "groups must divide latent_dim=16",
        ),
        ({"prior": "tokens"}, "use it with posterior='categorical'"),
        ({"prior": "top_down"}, "use it with latent='ladder'"),
        ({"losses": {"sharpness": 1.0}}, r"losses\['sharpness'\] must be one of 'reconstruction', 'kl'"),
        ({"losses": {"kl": 1.0}}, "must weigh 'reconstruction' or 'iwae'"),
        ({"losses": {"reconstruction": -1.0}}, r"losses\['reconstruction'\] must be a number >= 0; got -1"),
        ({"losses": {"reconstruction": 1.0, "tc": Recipe("factor", weight="much")}}, "must be a number >= 0"),
        ({"posterior": "oracle"}, "oracle"),
    ],
)
def test_parts_that_do_not_fit_together_are_refused_at_fit(parameters, message):
    X = np.random.default_rng(0).normal(size=(40, 3))
    augmenter = VAEAugmenter(**parameters, max_iter=1, random_state=0)
    with pytest.raises(ValueError, match=message):
        augmenter.fit(X)
    assert not hasattr(augmenter, "history_")


def test_a_term_may_have_a_name_of_its_own():
    X = np.random.default_rng(0).normal(size=(40, 3))
    losses = {**BASIC, "independence": Recipe("factor", weight=2.0, width=8)}
    augmenter = VAEAugmenter(losses=losses, max_iter=1, random_state=0).fit(X)
    assert "train_independence" in augmenter.history_


def test_a_kl_without_a_weight_takes_beta():
    found = weigh_losses({"reconstruction": 1.0, "kl": Recipe("kl", free_bits=2.0)}, 0.3, Recipe("gaussian"))
    assert found["kl"] == Recipe("kl", free_bits=2.0, weight=0.3)


def test_a_plain_autoencoder_has_no_kl_and_is_not_warned_about():
    X = np.random.default_rng(0).normal(size=(240, 3))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        augmenter = VAEAugmenter(**VARIANTS["ae"], max_iter=1, random_state=0).fit(X)
    assert "train_kl" not in augmenter.history_
