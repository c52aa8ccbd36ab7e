"""The loop on toys whose answer is known, and on toys that misbehave at a known step."""

import math

import numpy as np
import pytest
import torch
from torch import nn

from vaeaug.errors import InputError, TrainingDivergedError, VaeaugWarning
from vaeaug.training.adamw import AdamW
from vaeaug.training.callbacks import Callback
from vaeaug.training.loop import train
from vaeaug.training.options import Options
from vaeaug.training.rows import HeldRows
from vaeaug.training.run import Conditions
from vaeaug.training.runtime import Runtime

CPU = Runtime("cpu")


class Regression(nn.Module):
    """Least squares; counts its calls and may misbehave in chosen training steps."""

    def __init__(self, features=3, misbehave=None, steps=()):
        super().__init__()
        self.linear = nn.Linear(features, 1)
        nn.init.zeros_(self.linear.weight)
        nn.init.zeros_(self.linear.bias)
        self.misbehave, self.steps = misbehave, steps
        self.calls, self.sizes, self.progress, self.seen = 0, [], [], []

    def forward(self, batch, progress):
        x, y = batch
        loss = (self.linear(x)[:, 0] - y).square()
        if self.training:
            self.calls += 1
            self.sizes.append(len(x))
            self.progress.append(progress)
            self.seen.extend(y.tolist())
            if self.calls in self.steps:
                loss = self.misbehave(loss)
        return {"loss": loss, "half": loss.detach() / 2}


class Noisy(nn.Module):
    """A Gaussian fitted by draws from torch's global stream."""

    def __init__(self):
        super().__init__()
        self.mean, self.log_scale = nn.Parameter(torch.zeros(1)), nn.Parameter(torch.zeros(1))

    def forward(self, batch, progress):
        (x,) = batch
        draw = self.mean + self.log_scale.exp() * torch.randn_like(x)
        return {"loss": (x - draw).square()[:, 0] - self.log_scale}


class Clock:
    """Time that passes by a given amount at each training step or validation batch."""

    def __init__(self, objective, per_call=1.0):
        self.now, self.calls = 0.0, 0
        objective.register_forward_hook(lambda *_: self.tick(per_call))

    def tick(self, seconds):
        self.now += seconds

    def __call__(self):
        return self.now


def interrupt(loss):
    raise KeyboardInterrupt


def poison(loss):
    return loss * math.nan


@pytest.fixture
def lines():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(200, 3))
    y = x @ [1.0, -2.0, 0.5] + 3.0
    return torch.tensor(x, dtype=torch.float32), torch.tensor(y, dtype=torch.float32)


def fit(objective, data, **options):
    defaults = {"max_iter": 60, "batch_size": 32, "learning_rate": 0.1, "runtime": CPU, "seed": 1}
    options = {**defaults, **options}
    given = {name: options.pop(name) for name in ("seed", "runtime", "callbacks", "clock") if name in options}
    device, validation = given["runtime"].device, options.pop("validation", None)
    rows = HeldRows(data, options.pop("weights", None), device)
    return train(objective, rows, Options(**options), Conditions(**given), validation=validation)


# --- learning --------------------------------------------------------------------------


def test_it_learns_a_line(lines):
    model = Regression()
    result = fit(model, lines)
    torch.testing.assert_close(model.linear.weight[0], torch.tensor([1.0, -2.0, 0.5]), atol=0.02, rtol=0)
    assert result.stop_reason == "max_iter"
    assert result.n_iter == 60


def test_history_has_every_piece_of_every_epoch(lines):
    result = fit(Regression(), lines, validation=lines, max_iter=3)
    assert list(result.history) == [
        "epoch",
        "seconds",
        "train_loss",
        "train_half",
        "valid_loss",
        "valid_half",
    ]
    assert result.history["epoch"] == [1, 2, 3]
    assert {len(column) for column in result.history.values()} == {3}
    np.testing.assert_allclose(
        np.multiply(result.history["train_half"], 2), result.history["train_loss"], rtol=1e-6
    )


def test_recorded_loss_is_the_mean_over_rows(lines):
    result = fit(Regression(), lines, max_iter=1, learning_rate=0.0)
    expected = float(lines[1].square().mean())
    assert result.history["train_loss"][0] == pytest.approx(expected, rel=1e-5)


def test_every_row_is_seen_once_an_epoch(lines):
    model = Regression()
    fit(model, lines, max_iter=2)
    assert sorted(model.seen[:200]) == sorted(lines[1].tolist())
    assert model.seen[:200] != model.seen[200:]


@pytest.mark.parametrize(
    ("n", "batch_size", "sizes"), [(200, 64, [50] * 4), (65, 64, [33, 32]), (5, 64, [5]), (1, 64, [1])]
)
def test_batches_are_of_equal_size(lines, n, batch_size, sizes):
    model = Regression()
    fit(model, [tensor[:n] for tensor in lines], max_iter=1, batch_size=batch_size)
    assert model.sizes == sizes


def test_progress_runs_from_zero_to_one(lines):
    model = Regression()
    fit(model, lines, max_iter=2, batch_size=50)
    assert model.progress == [step / 8 for step in range(8)]


def test_steps_may_end_within_an_epoch(lines):
    model = Regression()
    result = fit(model, lines, max_iter=2, batch_size=50, max_steps=5)
    assert model.progress == [step / 5 for step in range(5)]
    assert (result.n_iter, result.stop_reason) == (2, "max_iter")


def test_weights_count_as_repetitions(lines):
    x, y = lines
    y = torch.cat([y[:100], -y[100:]])
    weights = torch.cat([torch.full((100,), 3.0), torch.ones(100)])
    weighted, repeated = Regression(), Regression()
    fit(weighted, (x, y), weights=weights, batch_size=1000, max_iter=200)
    rows = torch.cat([torch.arange(100).repeat(3), torch.arange(100, 200)])
    fit(repeated, (x[rows], y[rows]), batch_size=1000, max_iter=200)
    torch.testing.assert_close(weighted.linear.weight, repeated.linear.weight, atol=1e-4, rtol=1e-4)


def test_weighted_means_are_recorded(lines):
    x, y = lines
    weights = torch.zeros(200)
    weights[7] = 5.0
    result = fit(Regression(), lines, weights=weights, max_iter=1, learning_rate=0.0)
    assert result.history["train_loss"][0] == pytest.approx(float(y[7] ** 2), rel=1e-5)


def test_gradients_are_clipped(lines):
    """With Adam a scale does not matter, so look at the gradient that a step leaves."""
    model = Regression()
    norms = []
    step = AdamW.step

    def watch(optimizer, *args):
        norm = step(optimizer, *args)
        norms.append(float(torch.cat([p.grad.flatten() for p in model.parameters()]).norm()))
        return norm

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(AdamW, "step", watch)
        fit(model, lines, max_iter=1, clip_norm=0.25)
    assert max(norms) <= 0.25 + 1e-6


def test_frozen_parameters_stay(lines):
    model = Regression()
    model.linear.bias.requires_grad_(False)
    fit(model, lines, max_iter=2)
    assert float(model.linear.bias.detach()) == 0.0


def test_the_objective_is_left_ready_for_use(lines):
    model = Regression()
    fit(model, lines, max_iter=1)
    assert not model.training
    assert all(p.grad is None for p in model.parameters())


# --- randomness ------------------------------------------------------------------------


def test_same_seed_same_bytes():
    x = torch.linspace(-1, 3, 100)[:, None]
    one, two, other = Noisy(), Noisy(), Noisy()
    first = fit(one, [x], validation=[x], max_iter=5)
    torch.randn(3)  # the user's stream has moved on
    second = fit(two, [x], validation=[x], max_iter=5)
    fit(other, [x], validation=[x], max_iter=5, seed=2)
    assert torch.equal(one.mean, two.mean)
    assert first.history["valid_loss"] == second.history["valid_loss"]
    assert not torch.equal(one.mean, other.mean)


def test_the_users_streams_are_not_touched():
    torch.manual_seed(0)
    np.random.seed(0)  # noqa: NPY002
    before = torch.get_rng_state(), np.random.get_state()[1].tolist()  # noqa: NPY002
    fit(Noisy(), [torch.zeros(10, 1)], validation=[torch.zeros(3, 1)], max_iter=2)
    assert torch.equal(before[0], torch.get_rng_state())
    assert before[1] == np.random.get_state()[1].tolist()  # noqa: NPY002


def test_validation_draws_the_same_numbers_every_epoch():
    x = torch.zeros(10, 1)
    result = fit(Noisy(), [x], validation=[x], max_iter=4, learning_rate=0.0, early_stopping=False)
    assert len(set(result.history["valid_loss"])) == 1


def test_validation_does_not_change_training():
    x = torch.linspace(-1, 3, 100)[:, None]
    one, two = Noisy(), Noisy()
    fit(one, [x], max_iter=4, early_stopping=False)
    fit(two, [x], validation=[x], max_iter=4, early_stopping=False)
    assert torch.equal(one.mean, two.mean)


# --- stopping --------------------------------------------------------------------------


def test_early_stopping_keeps_the_best_weights(lines):
    """Trained on one line and validated on another, the loss turns round on the way."""
    x, y = lines
    model = Regression()
    result = fit(model, (x, y), validation=(x, 0.3 * y), n_iter_no_change=5, max_iter=200, learning_rate=0.05)
    valid = result.history["valid_loss"]
    assert result.stop_reason == "early_stopping"
    assert result.n_iter == result.best_epoch + 5 < 200
    assert min(valid) == valid[result.best_epoch - 1]
    with torch.no_grad():
        now = float(model((x, 0.3 * y), 1.0)["loss"].mean())
    assert now == pytest.approx(min(valid), rel=1e-5)


def test_without_early_stopping_the_last_weights_stay(lines):
    x, y = lines
    model = Regression()
    result = fit(model, (x, y), validation=(x, 0.3 * y), early_stopping=False, max_iter=100)
    assert result.stop_reason == "max_iter"
    assert result.best_epoch < 100
    with torch.no_grad():
        now = float(model((x, 0.3 * y), 1.0)["loss"].mean())
    assert now == pytest.approx(result.history["valid_loss"][-1], rel=1e-5)


def test_an_empty_validation_set_is_none(lines):
    result = fit(Regression(), lines, validation=[t[:0] for t in lines], max_iter=2)
    assert result.best_epoch is None
    assert "valid_loss" not in result.history


def test_validate_every_leaves_gaps_but_never_at_the_end(lines):
    result = fit(Regression(), lines, validation=lines, max_iter=5, validate_every=2)
    assert [math.isnan(value) for value in result.history["valid_loss"]] == [True, False, True, False, False]


@pytest.mark.parametrize("max_seconds", [0.5, 7.0, 30.0, 100.0])
def test_time_is_bounded_validation_included(lines, max_seconds):
    model = Regression()
    clock = Clock(model)
    result = fit(
        model, lines, validation=lines, batch_size=25, max_iter=1000, max_seconds=max_seconds, clock=clock
    )
    assert result.stop_reason == "max_seconds"
    assert clock.now <= max_seconds + 3.0  # one step, and a validation of two batches
    assert not math.isnan(result.history["valid_loss"][-1])


def test_a_bounded_run_still_anneals(lines):
    model = Regression()
    fit(model, lines, max_iter=10_000, max_seconds=300.0, clock=Clock(model))
    assert model.progress[-1] > 0.98
    torch.testing.assert_close(model.linear.weight[0], torch.tensor([1.0, -2.0, 0.5]), atol=0.02, rtol=0)


def test_a_loose_bound_changes_no_bit(lines):
    free, bounded = Regression(), Regression()
    fit(free, lines, max_iter=5)
    result = fit(bounded, lines, max_iter=5, max_seconds=1e4, clock=Clock(bounded))
    assert result.stop_reason == "max_iter"
    assert torch.equal(free.linear.weight, bounded.linear.weight)


def test_ctrl_c_keeps_the_weights_so_far(lines):
    model = Regression(misbehave=interrupt, steps=(30,))
    with pytest.warns(VaeaugWarning, match="interrupted after 4 of 60 epochs"):
        result = fit(model, lines)
    assert result.stop_reason == "interrupted"
    assert result.n_iter == 4
    assert not model.training
    assert float(model.linear.weight.detach().abs().sum()) > 0


def test_ctrl_c_in_the_first_step_leaves_a_usable_model(lines):
    model = Regression(misbehave=interrupt, steps=(1,))
    with pytest.warns(VaeaugWarning):
        result = fit(model, lines)
    assert result.n_iter == 0
    assert result.history == {}


def test_ctrl_c_restores_the_users_stream():
    model = Regression(misbehave=interrupt, steps=(2,))
    before = torch.get_rng_state()
    with pytest.warns(VaeaugWarning):
        fit(model, (torch.zeros(9, 3), torch.zeros(9)))
    assert torch.equal(before, torch.get_rng_state())


def test_a_callback_sees_every_epoch_and_may_stop(lines):
    seen = []

    class Stop(Callback):
        def on_epoch_end(self, state):
            seen.append((state.epoch, state.progress, state.record["train_loss"]))
            return state.epoch == 3

    result = fit(Regression(), lines, max_iter=4, callbacks=[Stop(), Stop()])
    assert result.stop_reason == "callback"
    assert [epoch for epoch, _, _ in seen] == [1, 1, 2, 2, 3, 3]
    assert seen[-1][1] == pytest.approx(0.75)


def test_a_callback_hears_of_every_step_before_the_epoch_ends(lines):
    heard = []

    class Listener(Callback):
        def on_begin(self, max_iter):
            heard.append(max_iter)

        def on_step(self, seconds, progress):
            heard.append((seconds, progress))

        def on_epoch_end(self, state):
            heard.append(state.epoch)

    model = Regression()
    fit(model, lines, batch_size=100, max_iter=2, callbacks=[Listener()], clock=Clock(model))
    assert heard == [2, (1.0, 0.25), (2.0, 0.5), 1, (3.0, 0.75), (4.0, 1.0), 2]


# --- divergence ------------------------------------------------------------------------


def test_one_bad_step_is_survived(lines):
    model = Regression(misbehave=poison, steps=(20,))
    fit(model, lines)
    torch.testing.assert_close(model.linear.weight[0], torch.tensor([1.0, -2.0, 0.5]), atol=0.05, rtol=0)


def test_three_bad_steps_raise_and_leave_finite_weights(lines):
    model = Regression(misbehave=poison, steps=(150, 151, 152))
    with pytest.raises(TrainingDivergedError, match=r"non-finite.*step 152.*last good weights"):
        fit(model, lines)
    assert model.linear.weight.isfinite().all()
    assert float(model.linear.weight.detach().abs().sum()) > 0.1
    assert not model.training


def test_an_infinite_gradient_of_a_finite_loss_is_caught(lines):
    def square_root_of_zero(loss):
        return loss.detach() + (loss - loss).sqrt()

    model = Regression(misbehave=square_root_of_zero, steps=(5, 6, 7))
    with pytest.raises(TrainingDivergedError):
        fit(model, lines)
    assert model.linear.weight.isfinite().all()


def test_failures_are_found_when_looked_for_rarely(lines):
    """On an accelerator the flag is read every 50 steps and at the end of an epoch."""

    class Accelerator(Runtime):
        is_cpu = False

    model = Regression(misbehave=poison, steps=(20,))
    fit(model, lines, runtime=Accelerator("cpu"))
    torch.testing.assert_close(model.linear.weight[0], torch.tensor([1.0, -2.0, 0.5]), atol=0.05, rtol=0)


# --- critics ---------------------------------------------------------------------------


class Duel(nn.Module):
    """A generator's mean is moved to the data by a linear critic (a tiny Wasserstein game)."""

    def __init__(self):
        super().__init__()
        self.mean = nn.Parameter(torch.zeros(1))
        self.critic = nn.Parameter(torch.zeros(1))

    def critic_parameters(self):
        return [self.critic]

    def critic_loss(self, batch):
        (x,) = batch
        return (self.critic * (self.mean.detach() - x))[:, 0] + self.critic.square()

    def forward(self, batch, progress):
        (x,) = batch
        return {"loss": (-self.critic.detach() * self.mean).expand(len(x))}


def test_critics_are_trained_with_their_own_optimizer():
    model = Duel()
    x = torch.full((64, 1), 2.0)
    fit(model, [x], max_iter=400, learning_rate=0.05, batch_size=64)
    assert float(model.mean.detach()) == pytest.approx(2.0, abs=0.2)


def test_a_critic_that_diverges_is_caught():
    model = Duel()
    model.critic_loss = lambda batch: batch[0][:, 0] * model.critic * math.nan
    with pytest.raises(TrainingDivergedError):
        fit(model, [torch.ones(8, 1)])


class Spoilt(Duel):
    """A game whose critic is found to have done harm at one step, once."""

    def __init__(self, at):
        super().__init__()
        self.at, self.steps, self.conceded = at, 0, []

    def is_spoilt(self):
        return self.training and self.steps == self.at and not self.conceded

    def concede(self):
        self.conceded.append(float(self.mean.detach()))

    def forward(self, batch, progress):
        self.steps += self.training
        return super().forward(batch, progress)


def test_a_run_that_a_critic_spoilt_goes_back_and_continues():
    model = Spoilt(at=50)
    result = fit(model, [torch.full((64, 1), 2.0)], max_iter=400, learning_rate=0.05, batch_size=64)
    # Less than a hundred steps in, the last good state is the start.
    assert model.conceded == [0.0]
    assert result.stop_reason == "max_iter"
    assert float(model.mean.detach()) == pytest.approx(2.0, abs=0.3)


# --- input -----------------------------------------------------------------------------


@pytest.mark.parametrize("data", [[], [torch.zeros(0, 2)], [torch.zeros(3), torch.zeros(2)]])
def test_rows_that_cannot_be_used(data):
    with pytest.raises(InputError, match="data must be tensors of one length"):
        fit(Noisy(), data)


@pytest.mark.parametrize("weights", [[0.0, 0.0], [1.0, -1.0], [1.0, math.inf], [1.0], [math.nan, 1.0]])
def test_weights_that_cannot_be_used(weights):
    with pytest.raises(InputError, match="weights must be"):
        fit(Noisy(), [torch.zeros(2, 1)], weights=torch.tensor(weights))


def test_an_unknown_option_is_a_type_error(lines):
    with pytest.raises(TypeError, match="epochs"):
        fit(Regression(), lines, epochs=3)
