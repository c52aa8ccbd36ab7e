"""The machinery of the benchmark of latent operations, on scikit-learn's digits."""

import importlib
from pathlib import Path

import numpy as np
import pytest
from scipy.ndimage import affine_transform, grey_dilation

FOLDER = Path(__file__).resolve().parents[2] / "benchmarks"


@pytest.fixture
def operations(monkeypatch):
    monkeypatch.syspath_prepend(str(FOLDER))
    return importlib.import_module("operations")


def strokes(width, slant=0.0):
    """Return one image of an upright stroke, sheared."""
    image = np.zeros((28, 28))
    image[4:24, 14 - width // 2 : 14 - width // 2 + width] = 255
    matrix = np.array([[1.0, 0.0], [slant, 1.0]])
    offset = np.array([13.5, 13.5]) - matrix @ [13.5, 13.5]
    return affine_transform(image, matrix, offset, order=1)[None]


def test_thickness_is_that_of_the_stroke(operations):
    found = [float(operations.measure_style(strokes(width))["thickness"].iloc[0]) for width in (2, 4, 6)]
    assert found == sorted(found)
    assert found[1] == pytest.approx(4, abs=0.8)


def test_slant_is_the_shear_and_has_its_sign(operations):
    found = [
        float(operations.measure_style(strokes(3, slant))["slant"].iloc[0]) for slant in (-0.3, 0.0, 0.3)
    ]
    assert found == pytest.approx([-0.3, 0.0, 0.3], abs=0.05)


def test_soft_edges_are_no_thicker_strokes(operations):
    from scipy.ndimage import gaussian_filter

    sharp, soft = strokes(4), gaussian_filter(strokes(4), (0, 0.8, 0.8))
    thick = grey_dilation(strokes(4), (1, 3, 3))
    one, two, three = (
        float(operations.measure_style(each)["thickness"].iloc[0]) for each in (sharp, soft, thick)
    )
    assert abs(two - one) < 0.25 * (three - one)


def test_no_image_is_in_two_parts(operations):
    parts = operations.split("digits", 0, fast=False)
    assert [len(images) for images, _ in parts] == [800, 300, 697]
    again = operations.split("digits", 0, fast=False)
    assert all(np.array_equal(a[0], b[0]) for a, b in zip(parts, again, strict=True))
    assert not np.array_equal(parts[0][0], operations.split("digits", 1, fast=False)[0][0])


def test_what_is_not_changed_is_kept(operations):
    (train, _), (test, classes), _ = operations.split("digits", 0, fast=True)

    class Judge:
        def predict(self, images):
            return classes

    trial = operations.Trial(
        Judge(), operations.measure_style(train), test, classes, operations.measure_style(test)
    )
    assert trial.compare_style(test, classes) == {"class": 1.0, "slant": 1.0, "thickness": 1.0}
    value = trial.pick_values("slant")
    found = trial.measure_edit(test, "slant", value)
    assert found["hit"] == 0.0  # the value asked for lies across the median
    assert (found["class"], found["other"], found["rank"]) == (1.0, 1.0, 1.0)


def test_cells_are_measured_and_rendered(operations, tmp_path):
    run, records = importlib.import_module("run"), importlib.import_module("_bench").Records
    out = tmp_path / "operations.jsonl"
    options = run.parse(operations, ["--fast", "--seeds", "0", "--out", str(out)])
    run.run(operations, options)
    found = records(out, operations.KEY).read()
    assert [record["given"] for record in found] == list(operations.GIVEN)
    assert [len(record["rows"]) for record in found] == [10, 6]
    text = operations.render([record | {"fast": False} for record in found])
    assert "digits, a model given the class, slant, thickness" in text
    assert "| edit slant, others told |" in text
    assert operations.render(found) == "Nothing measured yet."
