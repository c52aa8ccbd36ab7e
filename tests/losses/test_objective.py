"""The objective: weighted pieces, warm-up, and labels hidden block by block."""

from types import SimpleNamespace

import pytest
import torch
from torch import nn

from vaeaug.losses.bounds import KullbackLeibler, Reconstruction
from vaeaug.losses.objective import Objective
from vaeaug.losses.schedules import Ramp
from vaeaug.losses.term import Adversary
from vaeaug.utils.random import isolate_torch

B = 4000
BLOCKS = ((0, 3), (3, 5))
WEIGHTS = {"reconstruction": 1.0, "kl": 0.5}
BUILT = {"reconstruction": Reconstruction(None), "kl": KullbackLeibler(None)}


class Recorder(nn.Module):
    """A stand-in for the VAE: notes the contexts it is shown, and returns known pieces."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(()))

    def forward(self, x, c):
        self.seen = c
        row = SimpleNamespace(log_prob=lambda x: -x.sum(1) * self.weight)
        return SimpleNamespace(x=x, c=c, kl=2 * x.sum(1), reconstruction=row)


@pytest.fixture
def batch():
    c = torch.cat(
        [torch.eye(3).repeat(B // 3 + 1, 1)[:B], torch.ones(B, 1), torch.linspace(-2, 2, B)[:, None]], 1
    )
    return torch.arange(1.0, B + 1)[:, None], c


def objective(label_dropout=0.25, warmup=0.0):
    terms = {name: (Ramp(weight, warmup), BUILT[name]) for name, weight in WEIGHTS.items()}
    return Objective(Recorder(), terms, blocks=BLOCKS, label_dropout=label_dropout)


def hidden_rows(shown, seen):
    """Return per block which rows were hidden, bool (B, blocks)."""
    return torch.stack([(seen[:, a:b] == 0).all(1) & (shown[:, a:b] != 0).any(1) for a, b in BLOCKS], 1)


# --- pieces ----------------------------------------------------------------------------


def test_pieces_are_returned_unweighted(batch):
    x, c = batch
    found = objective()((x, c), 1.0)
    torch.testing.assert_close(found["reconstruction"], x[:, 0])
    torch.testing.assert_close(found["kl"], 2 * x[:, 0])


def test_the_loss_is_the_weighted_sum(batch):
    x, c = batch
    torch.testing.assert_close(objective()((x, c), 1.0)["loss"], x[:, 0] + 0.5 * 2 * x[:, 0])


def test_weights_follow_the_progress(batch):
    x, c = batch
    warming = objective(warmup=0.2)
    torch.testing.assert_close(warming((x, c), 0.1)["loss"], 0.5 * (x[:, 0] + 0.5 * 2 * x[:, 0]))


def test_gradients_reach_the_model(batch):
    found = objective()
    found(batch, 1.0)["loss"].mean().backward()
    assert found.vae.weight.grad != 0


@pytest.mark.parametrize("name", list(BUILT))
def test_every_term_returns_one_number_per_row(batch, name):
    assert BUILT[name](Recorder()(*batch)).shape == (B,)


@pytest.mark.parametrize(
    ("progress", "warmup", "expected"),
    [(0.0, 0.2, 0.0), (0.1, 0.2, 1.5), (0.2, 0.2, 3.0), (0.9, 0.2, 3.0), (0.0, 0.0, 3.0), (0.5, 1.0, 1.5)],
)
def test_ramp(progress, warmup, expected):
    assert Ramp(3.0, warmup)(progress) == pytest.approx(expected)


# --- critics ---------------------------------------------------------------------------


class Onlooker(Adversary):
    """A critic that notes the passes it is shown."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(()))
        self.seen = []

    def forward(self, passed):
        self.seen.append(passed)
        return passed.kl

    critic_loss = forward


def test_critics_and_model_share_the_pass_of_a_batch(batch):
    onlooker = Onlooker()
    found = Objective(Recorder(), {"kl": (Ramp(1.0), BUILT["kl"]), "critic": (Ramp(1.0), onlooker)}).train()
    found.critic_loss(batch)
    found(batch, 0.5)
    found(batch, 0.5)
    shown, same, new = onlooker.seen
    assert shown is same
    assert new is not same


def test_the_step_of_the_model_works_out_no_gradients_of_critics(batch):
    onlooker = Onlooker()
    found = Objective(Recorder(), {"kl": (Ramp(1.0), BUILT["kl"]), "critic": (Ramp(1.0), onlooker)}).train()
    onlooker.forward = lambda passed: passed.x.sum(1) * found.vae.weight * onlooker.weight
    found(batch, 0.5)["loss"].mean().backward()
    assert found.vae.weight.grad is not None
    assert onlooker.weight.grad is None
    assert onlooker.weight.requires_grad


def test_what_critics_were_shown_of_another_batch_is_not_used(batch):
    onlooker = Onlooker()
    found = Objective(Recorder(), {"kl": (Ramp(1.0), BUILT["kl"]), "critic": (Ramp(1.0), onlooker)}).train()
    found.critic_loss(batch)
    other = found((batch[0][:5].clone(), batch[1][:5]), 0.5)
    assert other["kl"].shape == (5,)


# --- label dropout ---------------------------------------------------------------------


def test_whole_blocks_are_hidden(batch):
    found = objective().train()
    with isolate_torch(0):
        found(batch, 1.0)
    hidden = hidden_rows(batch[1], found.vae.seen)
    for (a, b), gone in zip(BLOCKS, hidden.T, strict=True):
        torch.testing.assert_close(found.vae.seen[~gone, a:b], batch[1][~gone, a:b])
        assert (found.vae.seen[gone, a:b] == 0).all()


def test_blocks_are_hidden_at_the_rate_asked_for_and_independently(batch):
    found = objective(0.25).train()
    with isolate_torch(0):
        found(batch, 1.0)
    hidden = hidden_rows(batch[1], found.vae.seen).double()
    spread = (0.25 * 0.75 / B) ** 0.5
    assert ((hidden.mean(0) - 0.25).abs() < 4 * spread).all()
    assert abs(float((hidden[:, 0] * hidden[:, 1]).mean()) - 0.0625) < 4 * (0.0625 * 0.9375 / B) ** 0.5


def test_nothing_is_hidden_in_evaluation(batch):
    found = objective().eval()
    found(batch, 1.0)
    assert found.vae.seen is batch[1]


def test_nothing_is_hidden_without_dropout(batch):
    found = objective(0.0).train()
    found(batch, 1.0)
    assert found.vae.seen is batch[1]


def test_the_context_of_the_batch_is_not_changed(batch):
    before = batch[1].clone()
    objective().train()(batch, 1.0)
    torch.testing.assert_close(batch[1], before, rtol=0, atol=0)


def test_no_context_is_fine():
    found = Objective(Recorder(), {"kl": (Ramp(1.0), BUILT["kl"])}, label_dropout=0.5).train()
    assert found((torch.ones(3, 1), torch.zeros(3, 0)), 1.0)["loss"].shape == (3,)
