"""AdamW against torch's own, and what it does not bring along."""

import subprocess
import sys

import pytest
import torch
from torch import nn

from vaeaug.training.adamw import AdamW


def make_net(dtype=torch.float64):
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Linear(3, 4, dtype=dtype), nn.LayerNorm(4, dtype=dtype), nn.Linear(4, 1, dtype=dtype)
    )


def train(net, step, *, rounds=4, used=None):
    x = torch.linspace(-1, 1, 15, dtype=torch.float64).reshape(5, 3)
    for _ in range(rounds):
        net.zero_grad()
        (net if used is None else net[:used])(x).square().sum().backward()
        step()


@pytest.mark.parametrize("fused", [True, False])
@pytest.mark.parametrize("clip_norm", [None, 0.1])
def test_steps_are_those_of_torch(fused, clip_norm):
    ours, theirs = make_net(), make_net()
    optimizer = AdamW(ours.parameters(), (0.9, 0.99), 0.3)
    optimizer._fused = fused
    decaying = [p for p in theirs.parameters() if p.ndim > 1]
    others = [p for p in theirs.parameters() if p.ndim <= 1]
    groups = [{"params": decaying, "weight_decay": 0.3}, {"params": others, "weight_decay": 0.0}]
    reference = torch.optim.AdamW(groups, lr=0.05, betas=(0.9, 0.99), foreach=False)

    def step():
        if clip_norm is not None:
            nn.utils.clip_grad_norm_(theirs.parameters(), clip_norm)
        reference.step()

    train(ours, lambda: optimizer.step(0.05, clip_norm))
    train(theirs, step)
    # The norm that scales gradients down is a single-precision number.
    tolerance = 1e-12 if clip_norm is None else 1e-5
    for a, b in zip(ours.parameters(), theirs.parameters(), strict=True):
        torch.testing.assert_close(a, b, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("fused", [True, False])
def test_a_parameter_without_a_gradient_stays(fused):
    net = make_net()
    optimizer = AdamW(net.parameters(), (0.9, 0.99), 0.3)
    optimizer._fused = fused
    before = net[2].weight.detach().clone()
    train(net, lambda: optimizer.step(0.1), used=2)
    assert torch.equal(net[2].weight, before)


def test_the_norm_is_that_before_clipping():
    net = make_net()
    optimizer = AdamW(net.parameters(), (0.9, 0.99), 0.0)
    found = []
    train(net, lambda: found.append((total_norm(net), optimizer.step(0.0, 1e-3))), rounds=1)
    ((wanted, norm),) = found
    assert float(norm) == pytest.approx(float(wanted), rel=1e-12)


def total_norm(net):
    return torch.cat([p.grad.flatten() for p in net.parameters()]).norm()


def test_no_gradient_at_all_moves_nothing():
    net = make_net()
    optimizer = AdamW(net.parameters(), (0.9, 0.99), 0.3)
    before = [p.detach().clone() for p in net.parameters()]
    assert float(optimizer.step(0.1)) == 0.0
    assert all(torch.equal(a, b) for a, b in zip(before, net.parameters(), strict=True))


def test_a_state_taken_up_goes_on_as_before():
    one, two = make_net(), make_net()
    first, second = (AdamW(net.parameters(), (0.9, 0.99), 0.1) for net in (one, two))
    train(one, lambda: first.step(0.1), rounds=2)
    train(two, lambda: second.step(0.3), rounds=5)
    two.load_state_dict(one.state_dict())
    second.load_state(first.state())
    train(one, lambda: first.step(0.1), rounds=2)
    train(two, lambda: second.step(0.1), rounds=2)
    assert all(torch.equal(a, b) for a, b in zip(one.parameters(), two.parameters(), strict=True))


def test_no_compiler_is_imported():
    """Importing it takes longer than fitting a small table."""
    code = (
        "import sys, pandas as pd; from vaeaug import VAEAugmenter; X = pd.DataFrame({'a': range(60)}); "
        "VAEAugmenter(max_iter=2, random_state=0).fit(X, [0, 1] * 30).sample(3); "
        "print([m for m in ('torch._dynamo', 'torch._inductor') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
