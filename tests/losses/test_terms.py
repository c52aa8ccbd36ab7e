"""The contract of every registered loss term, and what the terms of the family measure."""

import math
from types import SimpleNamespace

import pytest
import torch
from made_blueprint import blueprint

from vaeaug.errors import InputError
from vaeaug.layout import Layout, Span
from vaeaug.losses import correlation
from vaeaug.losses.bounds import ImportanceWeighted, KullbackLeibler
from vaeaug.losses.correlation import CriticCorrelation, MinibatchCorrelation, permute
from vaeaug.losses.critic_views import count_values, make_views, view_rows
from vaeaug.losses.critics import Adversarial, PatchCritic
from vaeaug.losses.schedules import SCHEDULES, Cycle, Ramp
from vaeaug.losses.term import Adversary, Setting
from vaeaug.losses.terms import TERMS
from vaeaug.model.builder import build
from vaeaug.nn.distributions import DiagonalGaussian
from vaeaug.nn.vae import Pass
from vaeaug.recipe import Recipe
from vaeaug.utils.random import isolate_torch

B = 8
BLUEPRINT = blueprint(latent_dim=4)


@pytest.fixture(autouse=True)
def clone_with_seed():
    with isolate_torch(4):
        yield


@pytest.fixture
def batch():
    token = torch.arange(B) % 3
    x = torch.stack([token, torch.rand(B), token - 1.0, torch.arange(B) % 2], 1).float()
    c = torch.cat([torch.eye(2)[torch.arange(B) % 2], torch.randn(B, 1), torch.ones(B, 1)], 1)
    return x, c


@pytest.fixture
def vae():
    return build(BLUEPRINT).vae


def setting(vae):
    return Setting(vae, 4, (0, 2), (5,))


@pytest.fixture(params=list(TERMS))
def term(request, vae):
    return TERMS[request.param](setting(vae))


# --- the contract ----------------------------------------------------------------------


def test_a_term_returns_one_finite_number_per_row(term, vae, batch):
    found = term(vae(*batch))
    assert found.shape == (B,)
    assert found.isfinite().all()


def test_a_term_teaches_the_model(term, vae, batch):
    term(vae(*batch)).sum().backward()
    assert any(p.grad is not None and p.grad.abs().sum() > 0 for p in vae.parameters())


def test_a_critic_learns_from_the_pass_of_the_model_and_leaves_it_alone(term, vae, batch):
    if not isinstance(term, Adversary):
        pytest.skip("only adversaries have a network of their own to train; this term is a formula")
    passed = vae(*batch)
    losses = term.critic_loss(passed)
    assert losses.shape == (B,)
    losses.sum().backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in term.parameters())
    assert all(p.grad is None for p in vae.parameters())
    # The step of the model comes next, through the same pass.
    (term(passed) - passed.reconstruction.log_prob(passed.x)).sum().backward()
    assert all(p.grad is not None for p in vae.decoder.parameters())


def test_a_real_row_is_shown_as_it_is_beside_its_reconstruction(vae, batch):
    batch[0][0, 2] = -1.0  # an unknown token
    passed = vae(*batch)
    torch.testing.assert_close(view_rows(passed), make_views(passed)[1])


def test_a_term_of_the_model_is_built_by_name(term, vae, batch):
    name = next(name for name, cls in TERMS.items() if isinstance(term, cls))
    losses = {"reconstruction": 1.0, "kl": 1.0, name: 2.0}
    objective = build(blueprint(latent_dim=4, losses=losses))
    pieces = objective(batch, 0.5)
    assert set(pieces) == {"loss", *losses}
    pieces["loss"].mean().backward()


# --- bounds ----------------------------------------------------------------------------


def test_free_bits_stop_the_gradient_below_them(vae, batch):
    mean = vae(*batch).kl.mean().item()
    for free_bits, moved in ((0.5 * mean, True), (2.0 * mean, False)):
        kl = KullbackLeibler(None, free_bits=free_bits)(vae(*batch))
        found = torch.autograd.grad(kl.sum(), vae.latent.posterior.out.weight)[0]
        assert bool(found.abs().sum() > 0) == moved


def test_one_importance_weight_is_the_evidence_lower_bound_on_average(vae, batch):
    vae = vae.double().eval()
    x, c = (part.double() for part in batch)
    weighted = ImportanceWeighted(setting(vae), draws=1)
    draws = []
    for _ in range(400):
        passed = vae(x, c)
        draws.append(torch.stack([weighted(passed), passed.kl - passed.reconstruction.log_prob(x)]))
    difference = torch.stack(draws).diff(dim=1).squeeze(1).detach()
    assert (difference.mean(0).abs() < 5 * difference.std(0) / 20).all()


def test_more_importance_weights_are_a_tighter_bound(vae, batch):
    passed = vae(*batch)
    few, many = ImportanceWeighted(setting(vae), draws=1), ImportanceWeighted(setting(vae), draws=64)
    loose = torch.stack([few(passed) for _ in range(50)]).mean()
    assert torch.stack([many(passed) for _ in range(10)]).mean() < loose


# --- total correlation -----------------------------------------------------------------


class Codes:
    """A posterior as narrow as the codes it was drawn with."""

    def __init__(self, z, scale=0.3):
        self.mean, self.scale = z, torch.full_like(z, scale)


def passed_with(z):
    passed = Pass(None, None, None, None, z + 0.3 * torch.randn_like(z), None)
    passed.__dict__["posterior"] = Codes(z)
    return passed


def correlated(rows, rho):
    z = torch.randn(rows, 2)
    return torch.stack([z[:, 0], rho * z[:, 0] + math.sqrt(1 - rho**2) * z[:, 1]], 1)


def exact(rho):
    """Total correlation of two Gaussians whose codes carry noise of 0.3."""
    return -0.5 * math.log(1 - (rho / 1.09) ** 2)


@pytest.mark.parametrize("rho", [0.0, 0.6, 0.9])
def test_the_batch_estimates_the_total_correlation(vae, rho):
    found = MinibatchCorrelation(setting(vae))(passed_with(correlated(2000, rho))).mean()
    assert abs(float(found) - exact(rho)) < 0.08


@pytest.mark.parametrize("asked", [7, 4])
def test_the_correlation_of_a_batch_is_that_of_its_formula_and_so_are_its_gradients(vae, asked, monkeypatch):
    z, mean = torch.randn(2, 7, 3, dtype=torch.float64).unbind()
    scale = torch.rand(7, 3, dtype=torch.float64) + 0.1
    parts = [part.requires_grad_() for part in (z, mean, scale)]

    def found(z, mean, scale):
        passed = Pass(None, None, None, None, z, None)
        passed.__dict__["posterior"] = DiagonalGaussian(mean, scale)
        return MinibatchCorrelation(setting(vae))(passed)

    each = torch.distributions.Normal(mean, scale).log_prob(z[:, None])
    joint = each.sum(2).logsumexp(1) - math.log(7)
    torch.testing.assert_close(found(*parts), joint - (each.logsumexp(1) - math.log(7)).sum(1))
    monkeypatch.setattr(correlation, "_ASKED", asked)
    assert torch.autograd.gradcheck(found, parts)


def test_the_first_codes_of_a_large_batch_stand_for_the_others(vae, monkeypatch):
    monkeypatch.setattr(correlation, "_ASKED", 3)
    passed = passed_with(correlated(8, 0.9))
    few = MinibatchCorrelation(setting(vae))(passed)
    monkeypatch.undo()
    torch.testing.assert_close(few, MinibatchCorrelation(setting(vae))(passed)[[0, 1, 2, 0, 1, 2, 0, 1]])


@pytest.mark.parametrize("rho", [0.0, 0.9])
def test_the_critic_learns_the_total_correlation(vae, rho):
    term = CriticCorrelation(Setting(vae, 2, (0, 0), (1,)), width=32)
    optimizer = torch.optim.Adam(term.parameters(), lr=0.01)
    for _ in range(200):
        optimizer.zero_grad()
        term.critic_loss(passed_with(correlated(500, rho))).mean().backward()
        optimizer.step()
    found = term(passed_with(correlated(4000, rho))).mean().detach()
    assert abs(float(found) - exact(rho)) < 0.15


def test_permuted_codes_keep_their_marginals_and_lose_their_relations():
    z = correlated(3000, 0.95)
    shuffled = permute(z)
    torch.testing.assert_close(shuffled.sort(0).values, z.sort(0).values)
    assert abs(float(torch.corrcoef(shuffled.T)[0, 1])) < 0.1


# --- adversaries -----------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(1, 8, 8), (3, 28, 20)])
def test_every_patch_of_an_image_is_judged_by_itself(shape):
    critic, images = PatchCritic(shape, 4).eval(), torch.randn(2, *shape)
    other = images.clone()
    other[:, :, -1, -1] += 1.0
    with torch.no_grad():
        moved = (critic(other) - critic(images)).abs() > 1e-6
    assert moved.shape[1] > 4
    assert not moved[:, 0].any()
    assert moved[:, -1].all()


def test_the_critic_rests_while_it_is_right_too_often(vae, batch):
    term = Adversarial(setting(vae), limit=0.85)
    term.accuracy.fill_(0.99)
    assert not term.critic_loss(vae(*batch)).any()
    term.accuracy.fill_(0.6)
    assert term.critic_loss(vae(*batch)).all()


def test_the_guard_notices_reconstructions_that_get_worse(vae):
    term = Adversarial(setting(vae), tolerance=0.1)

    def watch(loss, steps):
        return any(bool(term.watch({"reconstruction": torch.full((B,), loss)})) for _ in range(steps))

    assert not watch(10.0, 300)
    assert not watch(10.8, 300)
    assert watch(13.0, 100)
    term.concede()
    assert not watch(13.0, 100)


def test_a_verdict_counts_once_for_every_value(vae, batch):
    passed = vae(*batch)
    few, many = (Adversarial(Setting(vae, 4, (0, 2), (5,), values)) for values in (1, 7))
    many.critic.load_state_dict(few.critic.state_dict())
    few(passed)
    # The view of a table row is drawn, so both must be shown the same.
    with isolate_torch(0):
        one = few(passed)
    with isolate_torch(0):
        seven = many(passed)
    torch.testing.assert_close(seven, 7 * one)


@pytest.mark.parametrize(
    ("layout", "expected"),
    [
        (Layout.image(3, 4, 5), 60),
        (
            Layout.row([Span("categorical", 9), Span("position", 1), Span("continuous", 2), Span("hint", 1)]),
            3,
        ),
    ],
)
def test_values_are_what_a_log_likelihood_sums_over(layout, expected):
    assert count_values(layout) == expected


def test_the_guard_allows_as_much_per_value_where_a_density_is_near_zero(vae):
    term = Adversarial(Setting(vae, 4, (0, 2), (5,), 50), tolerance=0.1)

    def watch(loss, steps):
        return any(bool(term.watch({"reconstruction": torch.full((B,), loss)})) for _ in range(steps))

    assert not watch(0.5, 300)
    assert not watch(4.0, 200)
    assert watch(8.0, 200)


@pytest.mark.parametrize(("bias", "share"), [(-50.0, 1.0), (50.0, 0.0)])
@pytest.mark.parametrize("error", [0.02, 0.5])
def test_of_images_a_critic_pulls_as_hard_as_the_likelihood_until_it_is_fooled(vae, bias, share, error):
    term = Adversarial(Setting(vae, 4, (0, 2), (1, 12, 12), 144))
    torch.nn.init.constant_(term.critic.layers[-1].bias, bias)
    real = torch.rand(B, 1, 12, 12)
    made = (real + error * torch.randn_like(real).sign()).requires_grad_()
    shown = SimpleNamespace(relax=lambda x: (made, x))
    term(SimpleNamespace(reconstruction=shown, x=real)).sum().backward()
    # The gradient of (x̂ − x)² / 2σ² at σ = the error is 1 / error at every pixel.
    assert made.grad.square().mean().sqrt().item() == pytest.approx(share / error, rel=0.01, abs=1e-6)


def test_a_term_that_conceded_weighs_nothing(vae, batch):
    term = Adversarial(setting(vae))
    term.concede()
    assert not term(vae(*batch)).any()


def test_training_goes_back_when_the_critic_has_won(batch):
    objective = build(blueprint(latent_dim=4, losses={"reconstruction": 1.0, "adversarial": 1.0})).train()
    objective(batch, 0.5)
    assert not objective.is_spoilt()
    term = objective.adversaries["adversarial"]
    term.steps.fill_(1000.0)
    term.lowest.fill_(-50.0)
    objective(batch, 0.5)
    assert objective.is_spoilt()
    objective.concede()
    assert not objective.is_spoilt()


def test_a_critic_does_not_count_where_models_are_compared(batch):
    losses = {"reconstruction": 1.0, "kl": 1.0, "factor": 100.0}
    objective = build(blueprint(latent_dim=4, losses=losses)).eval()
    pieces = objective(batch, 1.0)
    torch.testing.assert_close(pieces["loss"], pieces["reconstruction"] + pieces["kl"])
    assert pieces["factor"].shape == (B,)


def test_critics_have_parameters_of_their_own():
    objective = build(
        blueprint(latent_dim=4, losses={"reconstruction": 1.0, "factor": 1.0, "adversarial": 1.0})
    )
    theirs = {id(p) for p in objective.critic_parameters()}
    assert theirs
    assert not theirs & {id(p) for p in objective.vae.parameters()}
    assert not build(BLUEPRINT).critic_parameters()


# --- schedules -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("progress", "expected"), [(0.0, 0.0), (0.0625, 1.0), (0.125, 2.0), (0.2, 2.0), (0.25, 0.0), (1.0, 2.0)]
)
def test_a_cycle_rises_rests_and_starts_again(progress, expected):
    assert Cycle(2.0, cycles=4, rise=0.5)(progress) == pytest.approx(expected)


@pytest.mark.parametrize("name", list(SCHEDULES))
def test_every_schedule_ends_at_the_weight(name):
    assert SCHEDULES[name](3.0)(1.0) == 3.0


@pytest.mark.parametrize(("name", "expected"), [("constant", Ramp(4.0)), ("cyclical", Cycle(4.0, cycles=2))])
def test_a_recipe_chooses_weight_and_schedule(name, expected):
    options = {"cycles": 2} if name == "cyclical" else {}
    kl = Recipe("kl", weight=4.0, schedule=Recipe(name, **options))
    assert build(blueprint(losses={"reconstruction": 1.0, "kl": kl})).terms["kl"][0] == expected


def test_a_gaussian_has_no_total_correlation_given_its_row(vae):
    assert isinstance(vae.encode(torch.zeros(2, 4), torch.zeros(2, 4)), DiagonalGaussian)
    assert vae.latent.factorised


# --- what does not fit -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"losses": {"reconstruction": 1.0, "beta_tc": 1.0}, "posterior": Recipe("iaf")},
            "use posterior='gaussian'",
        ),
        ({"losses": {"iwae": 1.0}, "posterior": Recipe("none")}, "use another posterior than"),
        ({"losses": {"reconstruction": 1.0, "factor": 1.0}, "latent_dim": 1}, "needs latent_dim >= 2, got 1"),
        ({"losses": {"reconstruction": 1.0, "perceptual": 1.0}, "class_block": (0, 0)}, r"call fit\(X, y\)"),
        ({"losses": {"reconstruction": 1.0, "kl": Recipe("kl", colour=1)}}, "'kl' has no option 'colour'"),
        (
            {"losses": {"reconstruction": Recipe("reconstruction", schedule="steps")}},
            "must be one of 'constant'",
        ),
        (
            {"losses": {"kl": Recipe("kl", schedule=Recipe("cyclical", cycles=0))}},
            "cycles must be an integer >= 1",
        ),
        ({"losses": {"kl": Recipe("kl", free_bits=-1)}}, "free_bits must be a number >= 0; got -1"),
    ],
)
def test_what_does_not_fit_is_refused(changes, message):
    with pytest.raises(InputError, match=message):
        build(blueprint(**changes))
