"""The device that is chosen, and that the process is left as it was found."""

import joblib
import pytest
import torch

from vaeaug.errors import InputError
from vaeaug.training import runtime as runtime_module
from vaeaug.training.runtime import Runtime, inside_worker, limit_threads, resolve_device


def flushes(rows: int = 1) -> bool:
    return bool((torch.full((rows,), 1e-310, dtype=torch.float64).mul_(0.5) == 0).any())


@pytest.fixture
def two_threads():
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


def test_auto_is_a_device_that_exists():
    torch.zeros(1, device=resolve_device("auto"))


@pytest.mark.parametrize("device", ["cpu", torch.device("cpu")])
def test_cpu(device):
    assert resolve_device(device) == torch.device("cpu")


def test_processes_of_one_machine_take_a_gpu_each(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    for local, gpu in (("0", "cuda:0"), ("1", "cuda:1"), ("2", "cuda:0")):
        monkeypatch.setenv("LOCAL_RANK", local)
        assert resolve_device("auto") == torch.device(gpu)


@pytest.mark.usefixtures("two_threads")
def test_processes_of_one_machine_share_its_cores(monkeypatch):
    monkeypatch.setattr(joblib, "cpu_count", lambda only_physical_cores: 2)
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "2")
    with limit_threads() as used:
        assert used == 1


@pytest.mark.parametrize("device", ["gpu", "meta", "cuda:x", 3.5, None])
def test_unknown_device_is_refused(device):
    with pytest.raises(InputError, match="device must be"):
        resolve_device(device)


@pytest.mark.parametrize("device", ["cuda", "cuda:0", "cuda:7"])
def test_absent_gpu_is_refused(device, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(InputError, match=r"torch sees 0 CUDA devices.*auto"):
        resolve_device(device)


def test_gpu_gets_an_index(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "current_device", lambda: 1)
    assert resolve_device("auto") == torch.device("cuda:1")
    assert resolve_device("cuda:0") == torch.device("cuda:0")
    with pytest.raises(InputError, match="torch sees 2 CUDA devices"):
        resolve_device("cuda:2")


def test_threads_are_limited_and_restored(two_threads):
    with limit_threads(1) as used:
        assert used == torch.get_num_threads() == 1
    assert torch.get_num_threads() == 2


def test_threads_are_never_raised(two_threads):
    with limit_threads(16) as used:
        assert used == 2


def test_no_more_threads_than_cores(two_threads, monkeypatch):
    monkeypatch.setattr(runtime_module.joblib, "cpu_count", lambda only_physical_cores: 1)
    with Runtime("cpu").session():
        assert torch.get_num_threads() == 1


def test_small_work_takes_one_thread(two_threads):
    with Runtime("cpu").session(work=1e6):
        assert torch.get_num_threads() == 1
    with Runtime("cpu", threads=2).session(work=1e6):
        assert torch.get_num_threads() == 2


def test_settings_are_restored_after_an_error(two_threads):
    with pytest.raises(KeyError), limit_threads(1):
        raise KeyError
    assert torch.get_num_threads() == 2
    assert not flushes()


def test_denormals_are_flushed_inside_only(two_threads):
    with Runtime("cpu").session():
        assert flushes()
    assert not flushes()
    assert not flushes(1 << 17)  # enough for every thread of the pool


def test_a_user_who_flushes_keeps_flushing():
    torch.set_flush_denormal(True)
    try:
        with limit_threads():
            pass
        assert flushes()
    finally:
        torch.set_flush_denormal(False)


def _threads_in_session(_):
    torch.set_num_threads(2)
    with Runtime("cpu").session():
        return inside_worker(), torch.get_num_threads()


@pytest.mark.parametrize("backend", ["loky", "threading", "multiprocessing"])
def test_a_worker_takes_one_thread(backend):
    found = joblib.Parallel(n_jobs=2, backend=backend)(
        joblib.delayed(_threads_in_session)(i) for i in range(2)
    )
    assert found == [(True, 1)] * 2


def test_no_worker_without_siblings(two_threads):
    assert joblib.Parallel(n_jobs=1)([joblib.delayed(inside_worker)()]) == [False]


def test_repr_and_synchronize():
    runtime = Runtime("cpu")
    runtime.synchronize()
    assert runtime.is_cpu
    assert repr(runtime) == "Runtime('cpu')"
