"""What all tests share: a quiet, single-threaded, repeatable process, and tables of every kind."""

import os
import sys

# Before numpy and torch start their pools: networks in tests are tiny, and where other
# processes keep the cores busy a second thread costs a factor of ten.
os.environ.setdefault("OMP_NUM_THREADS", "1")
# albumentations would ask the package registry for a newer version, and warn where it cannot.
os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")
os.environ.setdefault("MPLBACKEND", "Agg")

import numpy as np
import pytest
from hypothesis import settings
from made_tables import CONTAINERS, made_labels, made_table

# pytest collects doctests by importing files, and would stumble over several of one name.
collect_ignore_glob = ["conftest.py", "*/conftest.py"]

# The same examples in every run: a failure that comes and goes helps nobody.
settings.register_profile("repeatable", derandomize=True, deadline=None)
settings.load_profile("repeatable")


@pytest.hookimpl(tryfirst=True)
def pytest_cmdline_main(config):
    """Share a run of all tests among the cores; a run of named files, or with ``-n``, is left as it is."""
    # Here and not in addopts, where "-n" would be an error without pytest-xdist.
    if not config.pluginmanager.hasplugin("xdist") or hasattr(config, "workerinput"):
        return
    if config.args_source is not config.ArgsSource.ARGS and config.option.numprocesses is None:
        config.option.numprocesses = "auto"
    if config.option.numprocesses and config.option.dist == "no":
        # Neighbours stay together, so that few fixtures of a module are made twice.
        config.option.dist = "worksteal"


@pytest.fixture
def numbers():
    """Return 120 rows of three related numbers, float64, and labels of two classes."""
    rng = np.random.default_rng(0)
    y = np.repeat([0, 1], [90, 30])
    first = rng.normal(size=120) + 2 * y
    return np.stack([first, first + 0.3 * rng.normal(size=120), rng.normal(size=120)], axis=1), y


@pytest.fixture(params=list(CONTAINERS))
def container(request, numbers):
    """Return the same numbers in every container that users own."""
    return CONTAINERS[request.param](numbers[0])


@pytest.fixture(scope="session")
def mixed():
    """Return 300 rows of every dtype with their labels; not to be changed."""
    return made_table(300), made_labels(300)


@pytest.fixture
def broken_torchvision(tmp_path, monkeypatch):
    """Put a torchvision before the installed one that was built for another torch."""
    package, about = tmp_path / "torchvision", tmp_path / "torchvision-0.99.0+cu999.dist-info"
    for folder in (package, about):
        folder.mkdir()
    (package / "__init__.py").write_text("raise RuntimeError('operator torchvision::nms does not exist')")
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: torchvision\nVersion: 0.99.0+cu999\n")
    for name in list(sys.modules):
        if name.split(".")[0] == "torchvision" or name == "vaeaug.integrations.torchvision":
            monkeypatch.delitem(sys.modules, name)
    monkeypatch.syspath_prepend(tmp_path)
