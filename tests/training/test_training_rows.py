"""Rows in memory and rows that are read again: what a training run passes over."""

import numpy as np
import pytest
import torch

import vaeaug.training.rows as rows
from vaeaug.errors import InputError
from vaeaug.training.loop import train
from vaeaug.training.options import Options
from vaeaug.training.rows import HeldRows, StreamedRows
from vaeaug.training.run import Conditions
from vaeaug.training.runtime import Runtime

CPU = torch.device("cpu")


def source(n, block=100, seen=None):
    """Return a reader of n numbered rows, which are split evenly over the processes by blocks."""

    def read(epoch, turn, rank, ranks):
        order = np.random.default_rng([epoch, turn]).permutation(-(-n // block))
        for number in order[rank::ranks]:
            values = np.arange(number * block, min(n, (number + 1) * block), dtype=np.float32)
            if seen is not None:
                seen.append((epoch, turn, rank))
            yield values[:, None], np.ones(len(values), np.float32)

    return read


def values(batches):
    return [batch.tensors[0][:, 0].tolist() for batch in batches]


def test_an_epoch_of_a_stream_holds_every_row_once():
    found = values(StreamedRows(source(1000), 1000, CPU).epoch(1, 0, 50))
    assert [len(batch) for batch in found] == [50] * 20
    assert sorted(sum(found, [])) == list(range(1000))


def test_batches_are_full_also_where_the_rows_run_out():
    found = values(StreamedRows(source(130), 130, CPU).epoch(1, 0, 50))
    assert [len(batch) for batch in found] == [50] * 3
    assert set(sum(found, [])) == set(range(130))


def test_rows_of_different_blocks_meet_in_a_batch():
    first = values(StreamedRows(source(10_000), 10_000, CPU).epoch(1, 0, 100))[0]
    assert len({int(value) // 100 for value in first}) > 40


def test_the_buffer_is_bounded(monkeypatch):
    monkeypatch.setattr(rows, "_LEAST_BUFFERED", 300)
    monkeypatch.setattr(rows, "_BUFFER_VALUES", 300)
    seen = []
    batches = StreamedRows(source(100_000, seen=seen), 100_000, CPU).epoch(1, 0, 50)
    next(batches)
    assert len(seen) <= 4


def test_seed_and_epoch_decide_the_order():
    stream = StreamedRows(source(500), 500, CPU)
    first, again, other, later = (values(stream.epoch(e, s, 50)) for e, s in ((1, 0), (1, 0), (1, 1), (2, 0)))
    assert first == again
    assert first != other
    assert first != later


@pytest.mark.parametrize("ranks", [2, 3])
def test_processes_with_unequal_shares_make_as_many_steps(ranks):
    # One block of 100 rows and one of a single row: the shares could hardly differ more.
    stream = StreamedRows(source(101), 101, CPU)
    some = ranks if ranks == 2 else 2
    steps = [list(stream.epoch(1, 0, 40, rank, ranks)) for rank in range(some)]
    assert {len(batches) for batches in steps} == {3}
    assert {batch.total for batches in steps for batch in batches} == {-(-40 // ranks) * ranks}


def test_a_process_without_rows_is_told_so():
    stream = StreamedRows(source(100), 100, CPU)
    with pytest.raises(InputError, match="Process 1 of 2 has no rows.*Start fewer processes"):
        next(stream.epoch(1, 0, 10, 1, 2))


def test_shares_of_held_rows_make_up_the_batches():
    held = HeldRows([torch.arange(103.0)[:, None]], torch.linspace(1, 2, 103), CPU)
    whole = list(held.epoch(1, 0, 20))
    parts = [list(held.epoch(1, 0, 20, rank, 3)) for rank in range(3)]
    for number, batch in enumerate(whole):
        together = sum(values(part[number] for part in parts), [])
        assert sorted(together) == sorted(batch.tensors[0][:, 0].tolist())
        assert {part[number].total for part in parts} == {len(batch.weights)}
        weight = sum(float(part[number].weights.sum()) for part in parts)
        assert weight == pytest.approx(float(batch.weights.sum()), rel=1e-6)


def test_a_process_without_a_row_of_a_batch_counts_nothing():
    held = HeldRows([torch.arange(4.0)[:, None]], None, CPU)
    (batch,) = held.epoch(1, 0, 8, 7, 8)
    assert batch.weights.tolist() == [0.0]
    assert batch.total == 4


class Mean(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.value = torch.nn.Parameter(torch.zeros(1))

    def forward(self, batch, progress):
        return {"loss": (batch[0] - self.value).square()[:, 0]}


def test_a_stream_is_trained_on():
    model = Mean()
    result = train(
        model,
        StreamedRows(source(400), 400, CPU),
        Options(max_iter=60, batch_size=50, learning_rate=10.0),
        Conditions(runtime=Runtime("cpu")),
    )
    assert model.value.item() == pytest.approx(199.5, abs=2)
    assert result.n_iter == 60
