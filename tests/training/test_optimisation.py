"""The moving parts of a run, one claim each."""

import math

import pytest
import torch
from torch import nn

from vaeaug.training.adamw import AdamW
from vaeaug.training.optimisation import Budget, Deadline, Snapshot, WeightAverage, one_cycle


class Clock:
    def __init__(self):
        self.now = 100.0

    def __call__(self):
        return self.now


@pytest.mark.parametrize("warmup", [0.0, 0.1, 0.3])
def test_one_cycle_rises_to_one_and_falls_to_zero(warmup):
    rates = [one_cycle(step / 100, warmup) for step in range(101)]
    top = round(100 * warmup)
    assert rates[top] == pytest.approx(1.0)
    assert rates[: top + 1] == sorted(rates[: top + 1])
    assert rates[top:] == sorted(rates[top:], reverse=True)
    assert rates[-1] == pytest.approx(0.0, abs=1e-12)


def test_progress_counts_steps():
    budget = Budget(50, None, Clock())
    assert [budget.progress(step) for step in (0, 25, 50)] == [0.0, 0.5, 1.0]
    assert not budget.spent


def test_a_loose_time_bound_changes_nothing():
    clock = Clock()
    budget = Budget(50, 1000.0, clock)
    for step in range(51):
        clock.now = 100.0 + 3.0 + step  # slow start, then 50 of 1,000 seconds
        assert budget.progress(step) == step / 50


def test_a_tight_time_bound_takes_over():
    clock = Clock()
    budget = Budget(1000, 10.0, clock)
    clock.now += 5.25
    assert budget.progress(1) == pytest.approx(0.5, abs=0.01)
    clock.now += 4.75
    assert budget.progress(2) == 1.0
    assert budget.spent


def test_progress_never_falls():
    clock = Clock()
    budget = Budget(100, 10.0, clock)
    budget.reserve = 5.0
    clock.now += 4.0
    before = budget.progress(1)
    budget.reserve = 0.0
    assert budget.progress(2) == before


def test_reserve_is_held_back():
    clock = Clock()
    budget = Budget(100, 10.0, clock)
    clock.now += 8.0
    assert not budget.spent
    budget.reserve = 2.0
    assert budget.spent


def test_average_follows_the_formula():
    p = nn.Parameter(torch.zeros((), dtype=torch.float64))
    average = WeightAverage([p], 0.5)
    expected = 0.0
    for t in range(20):
        with torch.no_grad():
            p.fill_(t)
        average.update()
        decay = min(0.5, (1 + t) / (10 + t))
        expected = decay * expected + (1 - decay) * t
    assert float(average.values[0]) == pytest.approx(expected, rel=1e-12)
    assert float(p.detach()) == 19


def test_average_is_stored_and_taken_back():
    p = nn.Parameter(torch.zeros(2))
    average = WeightAverage([p], 0.9)
    with torch.no_grad():
        p.fill_(1.0)
    with average.swap_in():
        assert p.tolist() == [0.0, 0.0]
    assert p.tolist() == [1.0, 1.0]
    average.store()
    assert p.tolist() == [0.0, 0.0]


def test_zero_decay_follows_exactly():
    p = nn.Parameter(torch.zeros(1))
    average = WeightAverage([p], 0.0)
    with torch.no_grad():
        p.fill_(math.pi)
    average.update()
    assert torch.equal(average.values[0], p.detach())


def test_snapshot_restores_weights_buffers_average_and_moments():
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2))
    optimizer = AdamW(net.parameters(), (0.9, 0.99), 0.0)
    average = WeightAverage(net.parameters(), 0.9)

    def step():
        optimizer.zero_grad()
        net(torch.arange(6.0).reshape(3, 2)).pow(3).sum().backward()
        optimizer.step(0.1)
        average.update()

    step()
    snapshot = Snapshot(net, average, [optimizer])
    step()
    once = [value.clone() for value in [*net.state_dict().values(), *average.values]]
    with torch.no_grad():
        net[0].weight.fill_(torch.nan)
    snapshot.restore()
    step()
    again = [*net.state_dict().values(), *average.values]
    assert all(torch.equal(a, b) for a, b in zip(once, again, strict=True))


def test_rounds_end_when_the_next_would_not_fit():
    clock = Clock()
    deadline = Deadline(10.0, clock)
    assert deadline.left(0.5) == 5.0
    done = []
    for turn in deadline.turns()(100):
        clock.now += 3.0
        done.append(turn)
    assert done == [0, 1, 2]
    assert list(deadline.turns(0.5)(100)) == []
    assert 0 < deadline.left(0.5) < 1e-5


def test_without_a_bound_all_rounds_are_given():
    clock = Clock()
    deadline = Deadline(None, clock)
    clock.now += 1e9
    assert list(deadline.turns(0.1)(5)) == [0, 1, 2, 3, 4]
    assert deadline.left(0.1) is None


@pytest.mark.parametrize(("left", "expected"), [(10.0, 50), (2.0, 30), (0.6, 10)])
def test_as_much_is_done_as_the_time_that_is_left_allows(left, expected):
    clock = Clock()
    deadline = Deadline(left, clock)

    def work(items):
        clock.now += 0.05 * items

    assert deadline.count_affordable(work, 10, 50) == expected


def test_without_a_bound_nothing_is_tried():
    def work(items):
        raise AssertionError(items)

    assert Deadline(None, Clock()).count_affordable(work, 10, 50) == 50
