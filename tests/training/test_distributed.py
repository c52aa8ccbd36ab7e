"""Several processes that train one model, for real: gloo on this machine."""

import re

import numpy as np
import pytest
from made_processes import run_ranks, run_torchrun
from rank_tasks import fitted_without_noise, trained, write_groups

from vaeaug.training.distributed import SharedClock, Team, current_team

pytest.importorskip("pyarrow")


@pytest.fixture(scope="module")
def two(tmp_path_factory):
    """Return what two processes found, the folder they worked in, and what they printed."""
    folder = tmp_path_factory.mktemp("team")
    for rows in (37, 1000):
        write_groups(folder / f"groups_of_{rows}.parquet", rows)
    ended = run_ranks(2, "all", str(folder))
    assert [code for code, *_ in ended] == [0, 0], "\n".join(output for _, output, _ in ended)
    found = [dict(np.load(folder / f"all.{rank}.npz")) for rank in range(2)]
    return found, folder, [output for _, output, _ in ended]


def part(found, group):
    return {k.removeprefix(f"{group}/"): v for k, v in found.items() if k.startswith(f"{group}/")}


@pytest.mark.slow
@pytest.mark.parametrize(("group", "alone"), [("trained", trained), ("exact", fitted_without_noise)])
def test_two_processes_reach_the_weights_of_one(two, group, alone):
    expected = alone()
    found = part(two[0][0], group)
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        # What critics remember are means over halves of the batches, which need not be equal.
        atol = 1e-3 if name == "recent" else 1e-5
        np.testing.assert_allclose(found[name], value, atol=atol, err_msg=name)


@pytest.mark.slow
@pytest.mark.parametrize("group", ["trained", "exact", "usual", "fair", "single"])
def test_both_processes_end_with_the_same_model(two, group):
    first, second = (part(found, group) for found in two[0])
    assert first
    for name, value in first.items():
        if name != "history":
            np.testing.assert_array_equal(second[name], value, err_msg=name)


@pytest.mark.slow
def test_other_rows_in_another_process_are_refused_in_both(two):
    assert all("have different data" in str(found["messages"][0]) for found in two[0])


@pytest.mark.slow
@pytest.mark.parametrize(
    ("number", "message"),
    [(1, "does not see in checkpoint_dir="), (2, "has numpy .*the process that asks for the work has 0.1:")],
)
def test_processes_that_do_not_fit_together_are_refused_in_both(two, number, message):
    for found in two[0]:
        assert re.search(message, str(found["messages"][number]))


@pytest.mark.slow
def test_only_the_first_process_writes(two):
    assert sorted(path.name for path in (two[1] / "kept").iterdir()) == ["network.safetensors"]


@pytest.mark.slow
def test_a_process_that_dies_ends_the_other_with_a_sentence(tmp_path):
    (code, output, seconds), (died, *_) = run_ranks(2, "dies", str(tmp_path))
    assert died == 9
    assert code == 1
    assert seconds < 60
    assert "WorkerLostError: Process 0 of 2 that train together has lost the others" in output


@pytest.mark.slow
def test_a_process_leaves_the_group_before_it_ends(two):
    assert all("the group was left" in output for output in two[2])


def test_one_process_alone_talks_to_nobody():
    team = current_team()
    assert (team.rank, team.size, team.is_first) == (0, 1, True)
    assert team.every(3) == [3]
    assert team.first("x") == "x"
    assert team.any(True)
    assert team.once(lambda: 5) == 5


def test_workers_of_joblib_train_alone(monkeypatch):
    monkeypatch.setenv("RANK", "0")
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setenv("MASTER_ADDR", "127.0.0.1")
    monkeypatch.setenv("MASTER_PORT", "1")
    monkeypatch.setattr("vaeaug.training.distributed.inside_worker", lambda: True)
    assert current_team().size == 1


def test_processes_can_be_told_to_train_alone(monkeypatch):
    for name, value in (
        ("RANK", "0"),
        ("WORLD_SIZE", "2"),
        ("MASTER_ADDR", "127.0.0.1"),
        ("MASTER_PORT", "1"),
    ):
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("VAEAUG_ALONE", "1")
    assert current_team().size == 1


@pytest.mark.slow
def test_torchrun_with_more_processes_than_row_groups(tmp_path):
    write_groups(tmp_path / "groups_of_1000.parquet", 1000)
    run_torchrun(3, "crowd", str(tmp_path))
    first, *others = (dict(np.load(tmp_path / f"crowd.{rank}.npz")) for rank in range(3))
    for other in others:
        for name, value in first.items():
            np.testing.assert_array_equal(other[name], value, err_msg=name)


def test_a_clock_starts_at_zero():
    times = iter([100.0, 101.5])
    assert SharedClock(Team(), lambda: next(times))() == 1.5
