"""Pictures of latent operations."""

from types import SimpleNamespace

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from made_images import IMAGE_CONTAINERS, blobs, fast

from vaeaug.errors import InputError
from vaeaug.plotting import FramesDisplay, PathDisplay
from vaeaug.plotting.frames import pixels

IMAGES, LABELS = blobs()


@pytest.fixture(autouse=True)
def _close_figures():
    yield
    plt.close("all")


@pytest.fixture(scope="module")
def augmenter():
    return fast().fit(IMAGES, LABELS)


def sheet(display):
    display.figure_.canvas.draw()
    return np.asarray(display.ax_.get_images()[0].get_array())


def test_an_interpolation_is_a_row_per_pair(augmenter):
    display = FramesDisplay.from_interpolation(augmenter, IMAGES[:3], IMAGES[3:6], steps=4)
    assert display.frames.shape == (3, 4, 8, 9)
    assert np.abs(display.frames[:, 0] - pixels(augmenter.reconstruct(IMAGES[:3]))).max() < 1e-9
    assert sheet(display).shape == (3 * 52 - 4, 4 * 58 - 4)  # drawn six times as large, with gaps of 4
    assert [text.get_text() for text in display.ax_.get_xticklabels()] == ["A", "B"]


def test_a_traversal_is_a_row_per_dimension(augmenter):
    display = FramesDisplay.from_traversal(augmenter, IMAGES[:5], LABELS[:5], dims=[0, 2, 3], steps=5)
    assert display.frames.shape == (3, 5, 8, 9)
    sheet(display)


def test_edits_lie_below_each_other_with_their_names():
    display = FramesDisplay.from_edits({"before": IMAGES[:6], "after": 255 - IMAGES[:6]})
    assert [text.get_text() for text in display.ax_.get_yticklabels()] == ["before", "after"]
    drawn = sheet(display.plot(smooth=False))
    assert np.allclose(drawn[:8, :9], IMAGES[0] / 255)
    assert np.allclose(drawn[9:17, 10:19], 1 - IMAGES[1] / 255)
    ax = plt.figure().add_subplot()
    assert FramesDisplay(frames=display.frames).plot(ax=ax, title="x", marked=[(0, 0), (1, 5)]).ax_ is ax
    assert len(ax.get_lines()) == 2


def test_colours_are_drawn_in_colour():
    colours = np.random.default_rng(0).integers(0, 255, (4, 8, 8, 3)).astype(np.uint8)
    display = FramesDisplay.from_edits({"a": colours, "b": np.moveaxis(colours, -1, 1)})
    assert display.frames.shape == (2, 4, 8, 8, 3)
    assert np.array_equal(*display.frames)
    assert sheet(display.plot(smooth=False)).shape == (17, 35, 3)
    assert sheet(display.plot()).shape == (2 * 52 - 4, 4 * 52 - 4, 3)


@pytest.mark.parametrize("container", list(IMAGE_CONTAINERS))
def test_pixels_of_every_container(container):
    found = pixels(IMAGE_CONTAINERS[container](IMAGES))
    assert found.shape[:3] == (40, 8, 9)
    assert 0 <= found.min() < found.max() <= 1


def test_pixels_of_rows_and_of_other_ranges():
    rows = pd.DataFrame(IMAGES.reshape(40, -1))
    assert np.array_equal(pixels(rows, (8, 9)), IMAGES / 255)
    assert pixels(IMAGES > 100).dtype == np.float64
    assert pixels(IMAGES / 127.5 - 1).min() >= 0
    with pytest.raises(InputError, match=r"\(n, H, W\)"):
        pixels(rows)


def test_versions_of_other_numbers_of_images_are_refused():
    with pytest.raises(InputError, match="as many in each; got 3, 4"):
        FramesDisplay.from_edits({"a": IMAGES[:3], "b": IMAGES[:4]})
    with pytest.raises(InputError, match="got none"):
        FramesDisplay.from_edits({})


def test_a_path_draws_numbers_on_their_range():
    frames = [
        pd.DataFrame({"age": [20 + i, 0], "job": ["clerk", "nurse"], "pay": [5.0, 1.0]}) for i in range(4)
    ]
    display = PathDisplay.from_frames(frames, title="From A to B")
    display.figure_.canvas.draw()
    age, pay = display.ax_.get_lines()
    assert age.get_ydata().tolist() == pytest.approx([0, 1 / 3, 2 / 3, 1])
    assert pay.get_ydata().tolist() == [0, 0, 0, 0]
    scaled = PathDisplay(path=display.path).plot(scale=pd.DataFrame({"age": [0, 100], "pay": [0, 10]}))
    assert scaled.ax_.get_lines()[0].get_ydata()[0] == pytest.approx(0.2)
    with pytest.raises(InputError, match="this table has none"):
        PathDisplay.from_frames([pd.DataFrame({"job": ["clerk"]})])


def test_an_estimator_only_needs_the_method():
    made = SimpleNamespace(image_shape_=(8, 9), interpolate=lambda A, B, steps: [A] * steps)
    assert FramesDisplay.from_interpolation(made, IMAGES[:2], IMAGES[:2], steps=3).frames.shape == (
        2,
        3,
        8,
        9,
    )
