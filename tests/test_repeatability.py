"""The same seed gives the same bytes: call after call, beside other threads, in any state of torch."""

import contextlib
import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import joblib
import numpy as np
import pytest
import torch
from made_calls import (
    fit_calls,
    fit_images,
    fit_table,
    image_calls,
    make_rows,
    table_calls,
    to_bytes,
)

from vaeaug import VAEAugmenter
from vaeaug.nn import precision

REPEATS = 8
#: Of fits, which take as long as a hundred draws.
FITS = 2


@pytest.fixture(scope="module")
def calls():
    return {**table_calls(fit_table()), **image_calls(fit_images()), **fit_calls()}


@pytest.fixture(scope="module")
def expected(calls):
    return {name: to_bytes(call()) for name, call in calls.items()}


NAMES = [*table_calls(None), *image_calls(None), *fit_calls()]
#: Calls that draw from a fitted model, quick enough for many repetitions.
DRAWS = [name for name in NAMES if name not in fit_calls() and name != "save and load"]


def count_deviations(call, repeats=REPEATS):
    """Return how many repetitions differ from the first one; memory is taken and given back between them."""
    rng = np.random.default_rng(0)
    held, first, deviations = [], None, 0
    for _ in range(repeats):
        held.append(np.full(rng.integers(1, 100_000), 255, np.uint8))
        held.append(torch.full((int(rng.integers(1, 50_000)),), float("nan")))
        if rng.random() < 0.5:
            held.pop(rng.integers(len(held)))
        found = to_bytes(call())
        first = found if first is None else first
        deviations += found != first
    return deviations


@pytest.mark.parametrize("name", DRAWS)
def test_repeated_draws_are_equal(name, calls):
    assert count_deviations(calls[name]) == 0


@pytest.mark.parametrize("name", list(fit_calls()))
def test_repeated_fits_are_equal(name, calls):
    assert count_deviations(calls[name], repeats=FITS) == 0


@pytest.fixture(scope="module")
def reduced_images():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(precision, "has_bfloat16", lambda device: True)
        return fit_images(prior="flow")


@pytest.fixture
def reduced(monkeypatch):
    monkeypatch.setattr(precision, "has_bfloat16", lambda device: True)


@pytest.mark.parametrize("method", ["prior", "posterior", "interpolate"])
def test_images_drawn_in_reduced_precision_are_equal_where_the_processor_has_it_or_emulates_it(
    reduced_images, reduced, method
):
    draw = partial(reduced_images.sample, 33, y=1, method=method, random_state=1)
    assert count_deviations(draw) == 0


def test_images_fitted_in_reduced_precision_are_equal(reduced):
    assert count_deviations(lambda: fit_images().sample(20, random_state=1), repeats=FITS) == 0


@pytest.mark.parametrize("name", NAMES)
def test_nothing_depends_on_memory_that_nobody_wrote(name, calls, expected):
    before = torch.are_deterministic_algorithms_enabled()
    # torch then fills what torch.empty returns with NaN.
    torch.use_deterministic_algorithms(True, warn_only=True)
    try:
        assert to_bytes(calls[name]()) == expected[name]
    finally:
        torch.use_deterministic_algorithms(before)


_SCRIPT = """
import json, sys, warnings
import made_calls as made
from test_repeatability import DRAWS, count_deviations
warnings.simplefilter("ignore")
calls = {**made.table_calls(made.fit_table()), **made.image_calls(made.fit_images())}
print(json.dumps({name: count_deviations(calls[name], 30) for name in DRAWS}))
"""
#: What the libraries under torch are told to pretend, oldest processor first.
INSTRUCTION_SETS = {
    "avx2": {"ATEN_CPU_CAPABILITY": "avx2", "ONEDNN_MAX_CPU_ISA": "AVX2", "MKL_ENABLE_INSTRUCTIONS": "AVX2"},
    "avx512": {"ATEN_CPU_CAPABILITY": "avx512", "ONEDNN_MAX_CPU_ISA": "AVX512_CORE"},
    "avx512_bf16": {"ONEDNN_MAX_CPU_ISA": "AVX512_CORE_BF16"},
    "amx, two threads": {"ONEDNN_MAX_CPU_ISA": "DEFAULT", "OMP_NUM_THREADS": "2"},
}


@pytest.mark.slow  # starts a process that imports torch and fits two models
@pytest.mark.parametrize("setting", INSTRUCTION_SETS.values(), ids=list(INSTRUCTION_SETS))
def test_repeated_draws_are_equal_under_every_instruction_set(setting):
    # torch runs the instructions that it is told to, also where the processor has none of them.
    asked, there = setting.get("ATEN_CPU_CAPABILITY", ""), torch.backends.cpu.get_cpu_capability()
    if asked == "avx512" and "AVX512" not in there:
        pytest.skip(f"the processor has {there} at most")
    found = subprocess.run(
        [sys.executable, "-c", _SCRIPT],
        env={**os.environ, **setting},
        cwd=Path(__file__).parent,
        capture_output=True,
        text=True,
        check=False,
    )
    assert found.returncode == 0, found.stderr[-2000:]
    assert not {name: n for name, n in json.loads(found.stdout.splitlines()[-1]).items() if n}


@pytest.mark.parametrize(
    "rearrange",
    [
        np.asfortranarray,
        lambda X: np.repeat(X, 2, axis=1)[:, ::2],
        lambda X: X[::-1].copy()[::-1],
        lambda X: np.frombuffer(b"\0" * 3 + X.tobytes(), np.uint8)[3:].view(X.dtype).reshape(X.shape),
    ],
    ids=["columns first", "every other column", "backwards", "odd address"],
)
def test_rows_do_not_depend_on_how_memory_is_laid_out(rearrange, numbers):
    X, y = numbers

    def draw(rows):
        return VAEAugmenter(max_iter=1, random_state=0).fit(rows, y).resample(rows, y, random_state=1)

    assert to_bytes(draw(rearrange(X))) == to_bytes(draw(X))


@pytest.mark.parametrize("name", NAMES)
def test_the_streams_of_torch_and_numpy_stay_as_they_were(name, calls):
    numpy_before = np.random.get_state()[1].tobytes()  # noqa: NPY002
    torch_before = torch.get_rng_state()
    calls[name]()
    assert np.random.get_state()[1].tobytes() == numpy_before  # noqa: NPY002
    assert torch.equal(torch.get_rng_state(), torch_before)


def test_four_threads_get_what_one_gets_and_the_main_thread_goes_on_with_its_own_stream(calls, expected):
    own = torch.Generator().manual_seed(5)
    before = torch.get_rng_state()
    threads_before = torch.get_num_threads()
    torch.manual_seed(5)
    try:
        with ThreadPoolExecutor(4) as pool:
            jobs = {name: pool.submit(call) for name, call in calls.items()}
            drawn = torch.cat([torch.rand(1) for _ in range(20_000)])
            different = [name for name, job in jobs.items() if to_bytes(job.result()) != expected[name]]
    finally:
        torch.set_rng_state(before)
    assert not different
    assert torch.equal(drawn, torch.rand(20_000, generator=own))
    assert torch.get_num_threads() == threads_before


@pytest.mark.slow  # cross-validation, twice
def test_cross_validation_by_threads_is_that_of_one_process():
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import cross_val_predict

    from vaeaug import AugmentedClassifier, VAEOverSampler

    X, y = make_rows()
    sampler = VAEOverSampler(VAEAugmenter(max_iter=1, random_state=0), random_state=0)
    model = AugmentedClassifier(LogisticRegression(), sampler)

    def predict(n_jobs):
        return cross_val_predict(
            model, X[["amount", "age"]], y, cv=4, n_jobs=n_jobs, method="predict_proba"
        ).tobytes()

    serial = predict(1)
    with joblib.parallel_config(backend="threading"):
        assert predict(4) == serial


@contextlib.contextmanager
def default_dtype(dtype):
    before = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        yield
    finally:
        torch.set_default_dtype(before)


@contextlib.contextmanager
def default_device(device):
    torch.set_default_device(device)
    try:
        yield
    finally:
        torch.set_default_device(None)


def describe_torch():
    return (
        torch.is_grad_enabled(),
        torch.is_inference_mode_enabled(),
        torch.get_default_dtype(),
        torch.empty(0).device,
        torch.is_autocast_enabled("cpu"),
        torch.get_num_threads(),
    )


#: What callers do to torch before they call us.
SETTINGS = {
    "no_grad": torch.no_grad,
    "set_grad_enabled(False)": lambda: torch.set_grad_enabled(False),
    "inference_mode": torch.inference_mode,
    "float64 by default": lambda: default_dtype(torch.float64),
    "float16 by default": lambda: default_dtype(torch.float16),
    "bfloat16 by default": lambda: default_dtype(torch.bfloat16),
    # A stand-in for "cuda" where there is none: what is made without a device cannot be read.
    "meta by default": lambda: default_device("meta"),
    "autocast": lambda: torch.autocast("cpu", dtype=torch.bfloat16),
}


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("setting", list(SETTINGS))
def test_the_callers_torch_changes_nothing_and_is_left_as_it_was(setting, name, calls, expected):
    with SETTINGS[setting]():
        before = describe_torch()
        found = calls[name]()
        assert describe_torch() == before
        assert to_bytes(found) == expected[name]


@pytest.mark.parametrize("setting", list(SETTINGS))
def test_what_was_made_under_a_setting_works_without_it(setting, expected):
    with SETTINGS[setting]():
        made = {**table_calls(fit_table()), **image_calls(fit_images())}
    some = ("sample prior", "vary", "score_samples", "images: sample prior", "images: vary")
    assert [name for name in some if to_bytes(made[name]()) != expected[name]] == []
