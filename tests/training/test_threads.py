"""The choice between one thread and two, on a clock that the test moves: steps are counted, not timed."""

from threading import Event, Lock

import numpy as np
import pandas as pd
import pytest
import torch
from made_blueprint import blueprint
from made_tables import made_table

from vaeaug import Recipe, VAEAugmenter
from vaeaug.layout import Layout, Span
from vaeaug.model.builder import build
from vaeaug.training import run as run_module
from vaeaug.training import runtime as runtime_module
from vaeaug.training import threads as threads_module
from vaeaug.training.runtime import Runtime, limit_threads
from vaeaug.training.threads import ThreadChoice, compute_alike
from vaeaug.utils.random import isolate_torch


class Machine:
    """Lets a step take so many seconds with one thread and with two; of these it has a core for a share."""

    def __init__(self, one, two, share=1.0):
        self.seconds, self.share = {1: one, 2: two}, share
        self.now, self.worked, self.threads = 0.0, 0.0, 0
        self.told, self.used = [], []

    def use(self, threads):
        self.threads = threads
        self.told.append(threads)

    def run(self, choice, steps):
        """Return how many of the steps took two threads, and how long all took."""
        began, used = self.now, []
        for _ in range(steps):
            choice.begin()
            self.now += self.seconds[self.threads]
            self.worked += self.share * self.seconds[self.threads]
            used.append(self.threads)
            choice.end()
        return used.count(2), self.now - began


def start(one, two, most=2, share=1.0):
    machine = Machine(one, two, share)
    clocks = {"clock": lambda: machine.now, "worked": lambda: machine.worked}
    return machine, ThreadChoice(most, use=machine.use, **clocks)


def test_two_threads_are_kept_where_they_are_faster():
    machine, choice = start(1.0, 0.7)
    two, seconds = machine.run(choice, 1_000)
    assert two > 950
    assert seconds < 1.03 * 700


def test_one_thread_is_taken_beside_busy_processes():
    machine, choice = start(1.0, 10.0)
    two, seconds = machine.run(choice, 1_000)
    assert two < 25
    assert seconds < 1.3 * 1_000


def test_two_threads_are_not_even_tried_while_other_processes_take_the_core():
    machine, choice = start(1.0, 100.0, share=0.67)
    assert machine.run(choice, 1_000)[0] == 0
    machine.seconds[2], machine.share = 0.7, 1.0
    assert machine.run(choice, 1_000)[0] > 950


def test_validation_takes_one_thread_whatever_is_tried():
    machine, choice = start(1.0, 0.7)
    machine.run(choice, 100)
    with choice.pause():
        assert machine.threads == 1
    assert machine.threads == 2


def test_a_machine_that_gets_busy_is_noticed_within_some_steps():
    machine, choice = start(1.0, 0.7)
    machine.run(choice, 1_000)
    machine.seconds[2] = 10.0
    two, _ = machine.run(choice, 200)
    assert two < 15
    assert choice.threads == 1


def test_a_machine_that_gets_quiet_is_used_again():
    machine, choice = start(1.0, 10.0)
    machine.run(choice, 300)
    machine.seconds[2] = 0.7
    machine.run(choice, 900)
    assert choice.threads == 2


def test_the_slower_choice_is_given_up_after_a_step():
    machine, choice = start(1.0, 1_000.0)
    machine.run(choice, 20)
    machine.seconds[2] = 1_000.0
    before = machine.now
    two, _ = machine.run(choice, 2_000)
    assert two < 12
    assert machine.now - before < 2_000 + 12 * 1_000


@pytest.mark.parametrize("most", [0, 1])
def test_a_worker_beside_others_has_nothing_to_choose(most):
    machine, choice = start(1.0, 0.1, most=most)
    for _ in range(100):
        choice.begin()
        choice.end()
    assert machine.told == []


def test_no_more_than_two_are_ever_taken():
    machine, choice = start(1.0, 0.5, most=16)
    machine.run(choice, 500)
    assert set(machine.told) == {1, 2}


def count_together(runtime, small):
    """Return how many of eight parts are computed at the same time, and with how many threads each."""
    lock, met, present, most, threads = Lock(), Event(), set(), [], set()

    def work(part):
        with lock:
            present.add(part)
            most.append(len(present))
            threads.add(torch.get_num_threads())
            if len(present) > 1:
                met.set()
        met.wait(0.2)
        with lock:
            present.remove(part)
        return part

    assert runtime.map(work, 8, small=small) == list(range(8))
    return max(most), threads


@pytest.mark.usefixtures("two_threads")
@pytest.mark.parametrize("small", [True, False])
def test_parts_are_computed_side_by_side_each_with_one_thread(small, monkeypatch):
    monkeypatch.setattr(runtime_module.joblib, "cpu_count", lambda only_physical_cores: 2)
    assert count_together(Runtime("cpu"), small) == (2, {1})
    assert torch.get_num_threads() == 2


def test_a_worker_computes_one_part_after_the_other():
    with limit_threads(1):
        assert count_together(Runtime("cpu"), True) == (1, {1})


@pytest.mark.usefixtures("two_threads")
def test_draws_are_the_same_side_by_side_and_one_after_the_other(monkeypatch):
    monkeypatch.setattr(runtime_module.joblib, "cpu_count", lambda only_physical_cores: 2)
    X = made_table(300)
    augmenter = VAEAugmenter(max_iter=2, device="cpu", random_state=0).fit(X)
    holes = X.sample(3_000, replace=True, random_state=0).reset_index(drop=True).assign(size=np.nan)

    def draw():
        some = augmenter.sample(5_000, random_state=1)[0]
        meeting = augmenter.sample(3_000, where={"town": ["Bonn"]}, random_state=1)[0]
        return some, meeting, augmenter.complete(holes, random_state=1)

    with limit_threads(1):
        alone = draw()
    for one, two in zip(alone, draw(), strict=True):
        pd.testing.assert_frame_equal(one, two)


@pytest.mark.usefixtures("two_threads")
def test_an_error_in_a_part_is_raised(monkeypatch):
    monkeypatch.setattr(runtime_module.joblib, "cpu_count", lambda only_physical_cores: 2)

    def fail(part):
        raise ValueError(f"part {part}")

    with pytest.raises(ValueError, match="part 0"):
        Runtime("cpu").map(fail, 4, small=True)


@pytest.fixture
def two_threads():
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


def test_what_depends_on_the_number_of_threads_is_noticed(two_threads):
    values = torch.linspace(0, 1, 1000)
    assert compute_alike(lambda: [values.exp(), values * 2])
    assert torch.get_num_threads() == 1
    assert not compute_alike(lambda: [values, values + torch.get_num_threads()])


def test_gradients_of_a_wide_table_do_not_depend_on_the_number_of_threads(two_threads):
    # 1,200 tokens and 400 units: sums of more than 512 terms were cut in two by some processors.
    number = [Span("categorical", 60), Span("position", 1), Span("hint", 1)]
    network = Recipe("residual", dependence=64, own=16, peaks=2)
    model = blueprint(layout=Layout.row(number * 20), latent_dim=16, network=network)
    with isolate_torch(0):
        objective = build(model).train()
        x = torch.rand(256, 60)
        x[:, ::3] = torch.randint(60, (256, 20)).float()
        c = torch.eye(4)[torch.randint(4, (256,))]
        objective.vae.initialise(x, c)

    def find_gradients():
        with isolate_torch(1):
            loss = objective((x, c), 0.5)["loss"].mean()
        return torch.autograd.grad(loss, list(objective.parameters()))

    assert compute_alike(find_gradients)


def fit_with(threads, monkeypatch, **options):
    """Return the codes of a fit that may take so many threads, and the numbers that it set."""
    told, set_threads = [], torch.set_num_threads
    set_threads(threads)
    monkeypatch.setattr(torch, "set_num_threads", lambda n: told.append(n) or set_threads(n))
    monkeypatch.setattr(runtime_module.joblib, "cpu_count", lambda only_physical_cores: threads)
    monkeypatch.setattr(runtime_module, "_WORK_FOR_THREADS", 0)
    X = made_table(300)
    augmenter = VAEAugmenter(max_iter=4, batch_size=64, device="cpu", random_state=0, **options).fit(X)
    monkeypatch.undo()
    return np.asarray(augmenter.transform(X)), told


@pytest.mark.slow  # two threads on a busy machine
@pytest.mark.usefixtures("two_threads")
@pytest.mark.parametrize("own", [0, 16])
def test_a_fit_is_the_same_however_many_threads_it_takes(own, monkeypatch):
    changes, network = iter([1, 2, 2, 1] * 1000), Recipe("residual", dependence=128, own=own)
    one, _ = fit_with(1, monkeypatch, network=network)
    two, _ = fit_with(2, monkeypatch, network=network)
    monkeypatch.setattr(ThreadChoice, "end", lambda self: torch.set_num_threads(next(changes)))
    mixed, told = fit_with(2, monkeypatch, network=network)
    assert {1, 2} <= set(told[5:])
    # Codes to their last digits: rows that are drawn would hide a difference.
    assert np.array_equal(one, two)
    assert np.array_equal(one, mixed)


@pytest.mark.usefixtures("two_threads")
def test_a_fit_whose_gradients_depend_on_it_takes_one_thread(monkeypatch):
    asked, taken, begin = [], [], ThreadChoice.begin

    def differ(work):
        asked.append(work)
        torch.set_num_threads(1)
        return False

    def note(self):
        taken.append(torch.get_num_threads())
        begin(self)

    monkeypatch.setattr(run_module, "compute_alike", differ)
    monkeypatch.setattr(threads_module, "_FREE", 0.0)
    monkeypatch.setattr(ThreadChoice, "begin", note)
    fit_with(2, monkeypatch)
    assert len(asked) == 1
    assert set(taken) == {1}
