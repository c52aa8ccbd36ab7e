from collections.abc import Iterator
from types import SimpleNamespace

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest

mpl.use("Agg")

import matplotlib.pyplot as plt
from matplotlib.figure import Figure

from vaeaug.errors import InputError
from vaeaug.plotting import LatentScatterDisplay, LossCurvesDisplay, MarginalsDisplay, ScoresDisplay

RNG = np.random.default_rng(0)
HISTORY = pd.DataFrame(
    {
        "stage": ["network"] * 4 + ["prior"] * 2,
        "epoch": [1, 2, 3, 4, 1, 2],
        "train_loss": [9.0, 7.0, 6.0, 5.0, 1.0, 0.5],
        "valid_loss": [9.5, 8.0, 8.5, np.nan, np.nan, np.nan],
        "train_kl": [0.1, 0.2, 0.3, 0.4, np.nan, np.nan],
    }
)


@pytest.fixture(autouse=True)
def _close_figures() -> Iterator[None]:
    yield
    plt.close("all")


def mixed(rows: int) -> pd.DataFrame:
    day = pd.Timestamp("2024-01-01", tz="Europe/Paris") + pd.to_timedelta(RNG.integers(0, 99, rows), "D")
    return pd.DataFrame(
        {
            "size": RNG.normal(size=rows),
            "count": pd.array(RNG.poisson(3, rows), "Int64"),
            "job": RNG.choice(["clerk", "nurse", None, "a very long name of a job"], rows),
            "grade": pd.Categorical(RNG.choice(["low", "high"], rows), ["low", "high"], ordered=True),
            "ok": pd.array(RNG.random(rows) < 0.5, "boolean"),
            "day": day,
            "same": 1.0,
            "nothing": np.nan,
        }
    )


def draw(figure: Figure) -> None:
    """Render; warnings are errors here."""
    figure.canvas.draw()


def test_loss_curves_show_the_first_stage_and_the_best_epoch() -> None:
    display = LossCurvesDisplay.from_history(HISTORY)
    draw(display.figure_)
    train, valid, best = display.ax_.get_lines()
    assert train.get_ydata().tolist() == [9.0, 7.0, 6.0, 5.0]
    assert valid.get_xdata().tolist() == [1, 2, 3]
    assert (best.get_xdata().tolist(), best.get_ydata().tolist()) == ([2], [8.0])


def test_loss_curves_of_an_estimator_a_piece_and_given_axes() -> None:
    ax = plt.figure().add_subplot()
    display = LossCurvesDisplay.from_estimator(SimpleNamespace(history_=HISTORY), piece="kl", ax=ax)
    assert display.ax_ is ax
    assert display.figure_ is ax.figure
    assert len(ax.get_lines()) == 1
    with pytest.raises(InputError, match="piece must be one of 'loss', 'kl'; got 'lies'"):
        LossCurvesDisplay.from_history(HISTORY, piece="lies")
    with pytest.raises(InputError, match="SimpleNamespace has no history_; fit it first"):
        LossCurvesDisplay.from_estimator(SimpleNamespace())


@pytest.mark.parametrize("width", [1, 2, 5])
def test_codes_of_any_width(width: int) -> None:
    display = LatentScatterDisplay.from_codes(
        RNG.normal(size=(30, width)), ["a", "b"] * 15, RNG.normal(size=(9, width)), ["b"] * 9
    )
    draw(display.figure_)
    assert display.codes.shape == (30, 2)
    assert display.new_codes.shape == (9, 2)
    assert [text.get_text() for text in display.ax_.get_legend().get_texts()] == [
        "a",
        "b",
        "real",
        "synthetic",
    ]


def test_codes_of_an_estimator() -> None:
    estimator = SimpleNamespace(transform=lambda X: np.asarray(X)[:, :2] * 2)
    X = RNG.normal(size=(20, 3))
    display = LatentScatterDisplay.from_estimator(estimator, X, [0, 1] * 10, X[:5], [1] * 5, title="Codes")
    np.testing.assert_array_equal(display.new_codes, X[:5, :2] * 2)
    assert display.ax_.get_title(loc="left") == "Codes"


def test_colours_do_not_depend_on_the_order_of_rows() -> None:
    X, y = RNG.normal(size=(6, 2)), np.array(["b", "a", "b", "a", "b", "b"])
    found = [
        LatentScatterDisplay.from_codes(X[i], y[i], X, y).ax_ for i in (slice(None), slice(None, None, -1))
    ]
    colours = [
        [tuple(c.get_facecolor()[0]) for c in ax.collections if len(c.get_facecolor())] for ax in found
    ]
    assert colours[0] == colours[1]


def test_codes_that_do_not_fit_are_refused() -> None:
    with pytest.raises(InputError, match="codes must be of shapes"):
        LatentScatterDisplay.from_codes(np.ones((4, 3)), [0] * 4, np.ones((4, 2)), [0] * 4)


def test_many_rows_are_thinned() -> None:
    display = LatentScatterDisplay.from_codes(RNG.normal(size=(5000, 2)), [0] * 5000, np.ones((1, 2)), [0])
    assert max(len(c.get_offsets()) for c in display.ax_.collections) == 1500


def test_marginals_of_every_kind_of_column() -> None:
    display = MarginalsDisplay.from_frames(mixed(200), mixed(50), columns=list(mixed(1)))
    draw(display.figure_)
    assert display.axes_.shape == (8,)
    assert [axis.get_title(loc="left") for axis in display.axes_] == list(mixed(1))


def test_marginals_of_arrays_show_six_columns() -> None:
    display = MarginalsDisplay.from_frames(RNG.normal(size=(30, 9)), RNG.normal(size=(3, 9)))
    assert display.axes_.shape == (6,)


def test_marginals_into_a_part_of_a_figure() -> None:
    left, right = plt.figure(layout="constrained").subfigures(1, 2)
    display = MarginalsDisplay(real=mixed(20), synthetic=mixed(20)).plot(right, names=("a", "b"), width=2)
    draw(left.figure)
    assert display.figure_ is right


def test_marginals_name_a_column_that_is_not_there() -> None:
    with pytest.raises(InputError, match="The column 'sise' must be in both tables"):
        MarginalsDisplay.from_frames(mixed(5), mixed(5), columns=["sise"])


def test_bars_are_shares_among_known_values() -> None:
    real = pd.DataFrame({"a": ["x", "x", "y", None]})
    display = MarginalsDisplay.from_frames(real, real.iloc[:1])
    assert [bar.get_width() for bar in display.axes_[0].patches] == pytest.approx([2 / 3, 1 / 3, 1, 0])


def test_whole_numbers_get_bins_of_whole_numbers() -> None:
    display = MarginalsDisplay.from_frames(pd.DataFrame({"a": [0, 1, 2, 3, 3]}), pd.DataFrame({"a": [3]}))
    edges = display.axes_[0].patches[0].get_xy()[:, 0]
    assert set(np.round(edges % 1, 6)) == {0.5}


def test_scores_are_dots_per_way_to_train() -> None:
    scores = pd.DataFrame({"before": [0.5, 0.6], "after": [0.7, 0.6]}, index=["tree", "forest"])
    display = ScoresDisplay(scores=scores).plot(xlabel="recall", title="Before and after")
    draw(display.figure_)
    assert [line.get_xdata().tolist() for line in display.ax_.get_lines()] == [[0.5, 0.6], [0.7, 0.6]]
    assert [label.get_text() for label in display.ax_.get_yticklabels()] == ["tree", "forest"]


def test_codes_of_real_rows_alone() -> None:
    display = LatentScatterDisplay.from_codes(RNG.normal(size=(30, 4)), ["a", "b"] * 15, title="Codes")
    draw(display.figure_)
    assert [text.get_text() for text in display.ax_.get_legend().get_texts()] == ["a", "b"]
    assert len(display.new_codes) == 0
