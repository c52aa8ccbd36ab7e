"""Continuous flows: their density is that of their draws, and matching moves noise to data."""

import pytest
import torch
from contracts import every_parameter_has_a_gradient, stirred

from vaeaug.nn.distributions import DiagonalGaussian
from vaeaug.nn.priors.flow import FlowDistribution, FlowMatchingObjective, VelocityField
from vaeaug.utils.random import isolate_torch

D, K = 2, 3


def flow(c, steps=32, gain=1.0, **options):
    """Return the flow of a random field, of moderate speed, with a shift and a scale."""
    with isolate_torch(4):
        field = stirred(VelocityField(D, c.shape[1], width=16, depth=1))
    with torch.no_grad():
        field.out.weight.mul_(gain)
    centre = torch.tensor([1.0, -2.0], dtype=torch.float64)
    spread = torch.tensor([0.5, 2.0], dtype=torch.float64)
    return FlowDistribution(field, c, steps, centre, spread, **options)


@pytest.fixture
def c():
    return torch.eye(K, dtype=torch.float64)[torch.tensor([0, 1, 2, 0])]


def test_velocity_has_the_shape_of_codes(c):
    field = VelocityField(D, K, width=8, depth=2).double()
    assert field(torch.zeros(4, D).double(), torch.zeros(4).double(), c).shape == (4, D)


def test_an_untrained_field_stands_still(c):
    field = VelocityField(D, K, width=8, depth=2).double()
    assert (field(torch.randn(4, D).double(), torch.rand(4).double(), c) == 0).all()


def test_an_untrained_flow_is_the_scaled_normal(c):
    centre, spread = torch.tensor([1.0, -2.0]).double(), torch.tensor([0.5, 2.0]).double()
    still = FlowDistribution(VelocityField(D, K, 8, 1).double(), c, 3, centre, spread)
    z = torch.randn(4, D, dtype=torch.float64)
    theirs = DiagonalGaussian(centre.expand(4, D), spread.expand(4, D)).log_prob(z)
    torch.testing.assert_close(still.log_prob(z), theirs)


@pytest.mark.parametrize("guidance", [1.0, 1.7])
def test_log_prob_is_the_change_of_variables_of_draw(c, guidance):
    """log p(f(ε)) = log N(ε) − log |det ∂f/∂ε|, with the Jacobian of the drawing itself."""
    moving = flow(c[:1], steps=64, gain=0.5, guidance=guidance)
    with isolate_torch(1):
        noise = torch.randn(1, D, dtype=torch.float64)

    def carry(start):
        z, step = start[None], 1 / moving.steps
        for i in range(moving.steps):
            first = moving._velocity(z, i * step, moving.c)
            z = z + 0.5 * step * (first + moving._velocity(z + step * first, (i + 1) * step, moving.c))
        return (z * moving.spread + moving.centre)[0]

    with isolate_torch(1):
        drawn = moving.draw()
    torch.testing.assert_close(drawn[0], carry(noise[0]))
    jacobian = torch.autograd.functional.jacobian(carry, noise[0])
    base = -0.5 * (noise.square() + torch.log(torch.tensor(2 * torch.pi))).sum(1)
    expected = base - torch.linalg.slogdet(jacobian).logabsdet
    torch.testing.assert_close(moving.log_prob(drawn), expected, rtol=0, atol=5e-3)


def test_more_steps_agree_better(c):
    z = torch.tensor([[1.0, -2.0]] * 4, dtype=torch.float64)
    coarse, fine, finest = (flow(c, steps=steps).log_prob(z) for steps in (4, 16, 64))
    assert (fine - finest).abs().max() < 0.25 * (coarse - finest).abs().max()


def test_borrowing_mixes_two_densities(c):
    z = torch.randn(4, D, dtype=torch.float64)
    share = torch.tensor([0.0, 0.25, 1.0, 0.5], dtype=torch.float64)
    own, shared = flow(c).log_prob(z).exp(), flow(0 * c).log_prob(z).exp()
    torch.testing.assert_close(flow(c, borrowing=share).log_prob(z).exp(), (1 - share) * own + share * shared)


def test_temperature_zero_is_deterministic(c):
    moving = flow(c)
    torch.testing.assert_close(moving.draw(0.0), moving.draw(0.0), rtol=0, atol=0)


def test_gradient_of_matching_reaches_every_parameter(c):
    matching = FlowMatchingObjective(stirred(VelocityField(D, K, width=8, depth=2)))
    loss = matching((torch.randn(4, D, dtype=torch.float64), c), 0.0)["loss"]
    assert loss.shape == (4,)
    loss.sum().backward()
    assert every_parameter_has_a_gradient(matching)


def test_matching_an_untrained_field_costs_the_energy_of_the_paths():
    """E ‖z − ε‖² = ‖z‖² + D for a field that stands still."""
    matching = FlowMatchingObjective(VelocityField(D, 0, width=8, depth=1).double())
    z = torch.tensor([[2.0, 1.0]], dtype=torch.float64).expand(40_000, D)
    loss = matching((z, torch.zeros(40_000, 0, dtype=torch.float64)), 0.0)["loss"].detach()
    assert abs(float(loss.mean()) - 7) < 4 * float(loss.std()) / 200


def test_guidance_goes_on_in_the_direction_of_the_context(c):
    z, nothing = torch.randn(4, D, dtype=torch.float64), torch.zeros_like(c)
    known, unknown = flow(c)._velocity(z, 0.5, c), flow(c)._velocity(z, 0.5, nothing)
    guided = flow(c, guidance=1.5)._velocity(z, 0.5, c)
    assert (known != unknown).any()
    torch.testing.assert_close(guided, unknown + 1.5 * (known - unknown))


def test_guidance_changes_nothing_where_no_context_is_known(c):
    z, nothing = torch.randn(4, D, dtype=torch.float64), torch.zeros_like(c)
    torch.testing.assert_close(
        flow(nothing, guidance=3.0)._velocity(z, 0.2, nothing), flow(nothing)._velocity(z, 0.2, nothing)
    )
