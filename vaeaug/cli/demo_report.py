"""What ``vaeaug demo`` says and draws about its outcome."""

from __future__ import annotations

import io
import textwrap
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from sklearn.preprocessing import StandardScaler

from vaeaug.evaluation.privacy import exact_copies
from vaeaug.evaluation.table_rules import rules
from vaeaug.io.tables import write_frame
from vaeaug.plotting.displays import LatentScatterDisplay, LossCurvesDisplay, MarginalsDisplay, ScoresDisplay
from vaeaug.reports.report import Picture, Report, Table, Text, library_versions
from vaeaug.utils.files import replace_file

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = [
    "COMMON",
    "COPIES",
    "METRICS",
    "OURS",
    "PLAIN",
    "RARE",
    "Outcome",
    "Split",
    "describe_rules",
    "draw_png",
    "write_all",
]

RARE, COMMON = "malignant", "benign"
PLAIN, COPIES, OURS = "as it is", "copies", "synthetic"
METRICS = ("recall", "precision", "balanced accuracy", "ROC AUC", "average precision")
_HEADS = ("recall ", "precision ", "bal.acc. ", "ROC AUC ", "avg.prec.")
_SHOWN = (
    "mean radius",
    "mean texture",
    "mean concave points",
    "worst area",
    "worst smoothness",
    "worst symmetry",
)
_LEAST_CHANGE = 0.005


@dataclass
class Split:
    """Training rows with few malignant ones, test rows as they are, and all malignant rows not trained on."""

    X: pd.DataFrame
    y: pd.Series
    X_test: pd.DataFrame
    y_test: pd.Series
    unseen: pd.DataFrame

    def describe(self) -> str:
        """Return in words what is trained on what, 88 characters wide."""
        counts, tested = self.y.value_counts(), self.y_test.value_counts()
        text = (
            f"Breast cancer data of scikit-learn, made imbalanced: {counts[COMMON]} {COMMON} and "
            f"{counts[RARE]} {RARE} rows of {self.X.shape[1]} columns to train on, {len(self.y_test)} other "
            f"rows as they are ({tested[COMMON]} {COMMON}, {tested[RARE]} {RARE}) to test on. Each "
            f"classifier is trained on the rows as they are, with {RARE} rows copied until the classes are "
            "of one size (what class weights amount to), and with synthetic rows instead of copies."
        )
        return textwrap.fill(text, 88)


class Outcome:
    """Test scores of every classifier, strategy, and split.

    Parameters
    ----------
    scores : DataFrame
        Indexed by classifier, what it was trained on, and seed; a column per metric.
    remark : str, default=""
        A sentence for the end of the verdicts.

    Attributes
    ----------
    means : DataFrame
        Over the splits.
    changes : DataFrame
        ``"better"``, ``"worse"`` or ``""``, compared with the rows as they are: the score moved in the
        same direction in every split, by 0.005 or more in the mean.
    """

    def __init__(self, scores: pd.DataFrame, remark: str = "") -> None:
        self.scores, self.remark = scores.sort_index(), remark
        self.names = list(scores.index.unique("classifier"))
        order = pd.MultiIndex.from_product([self.names, [PLAIN, COPIES, OURS]], names=scores.index.names[:2])
        self.means = scores.groupby(level=[0, 1]).mean().reindex(order)
        marks = [self._compare(name, trained_on, PLAIN) for name, trained_on in order]
        self.changes = pd.DataFrame(marks, index=order, columns=scores.columns)

    def _compare(self, name: str, trained_on: str, reference: str) -> np.ndarray:
        moved = self._of(name, trained_on) - self._of(name, reference)
        up = (moved.mean(0) >= _LEAST_CHANGE) & (moved > 0).all(0)
        down = (moved.mean(0) <= -_LEAST_CHANGE) & (moved < 0).all(0)
        return np.select([up, down], ["better", "worse"], "")

    def _of(self, name: str, trained_on: str) -> np.ndarray:
        """Return scores of shape (splits, metrics)."""
        return self.scores.xs((name, trained_on), level=("classifier", "trained on")).to_numpy()

    def as_text(self) -> str:
        """Return the table of mean scores, 82 characters wide; + and - mark changes that count."""
        signs = {"better": "+", "worse": "-", "": " "}
        lines = [f"{'classifier':21}{'trained on':11}" + "".join(f"{head:>10}" for head in _HEADS), "-" * 82]
        for name, trained_on in self.means.index.tolist():
            row, marks = _row(self.means, name, trained_on), _row(self.changes, name, trained_on)
            cells = "".join(f"{row[m]:9.3f}{signs[marks[m]]}" for m in METRICS)
            lines.append(f"{name if trained_on == PLAIN else '':21}{trained_on:11}{cells}".rstrip())
        lines.append("-" * 82)
        splits = self.scores.index.unique("seed").size
        lines.append(
            f"Means over {splits} splits; recall and precision of {RARE} rows at the default threshold."
        )
        lines.append(f"+ - : better, worse than as it is, in every split and by {_LEAST_CHANGE} or more.")
        return "\n".join(lines)

    def headline(self) -> str:
        """Return the outcome in a sentence."""
        ours = self.changes.xs(OURS, level="trained on")
        found = [int((ours["recall"] == "better").sum())]
        found += [int((ours["average precision"] == mark).sum()) for mark in ("better", "worse")]
        return (
            f"Of {len(self.names)} classifiers, synthetic rows let {found[0]} find more of the {RARE} rows; "
            f"average precision rose for {found[1]} and fell for {found[2]}."
        )

    def verdicts(self) -> list[str]:
        """Return one sentence per classifier: what synthetic rows made better, and what worse; the remark."""
        said = []
        for name in self.names:
            better, worse = (self._list(name, mark) for mark in ("better", "worse"))
            gain = f"better in {better}" if better else "better in nothing"
            said.append(f"{name}: with synthetic rows {gain}{f'; worse in {worse}' if worse else ''}.")
        return [*said, self.remark] if self.remark else said

    def advice(self) -> list[str]:
        """Return what to make of it, in a few sentences."""
        found = []
        for name in self.names:
            against = dict(zip(METRICS, self._compare(name, OURS, COPIES), strict=True))
            lost = [metric for metric, mark in against.items() if mark == "worse"]
            if lost:
                found.append(f"{name} ({', '.join(lost)})")
        copies = [f"Plain copies did better than synthetic rows for {'; '.join(found)}."] if found else []
        return [
            *copies,
            "More recall at the price of precision can be had from class weights or another threshold as "
            "well. What those cannot change is the ranking, ROC AUC and average precision: look there first.",
        ]

    def in_words(self, width: int) -> list[str]:
        """Return headline, verdicts and advice as lines of text."""
        return [
            textwrap.fill(text, width, initial_indent="* ", subsequent_indent="  ")
            for text in [self.headline(), *self.verdicts(), *self.advice()]
        ]

    def _list(self, name: str, mark: str) -> str:
        plain, ours = _row(self.means, name, PLAIN), _row(self.means, name, OURS)
        marks = _row(self.changes, name, OURS)
        return ", ".join(f"{m} ({plain[m]:.3f} to {ours[m]:.3f})" for m in METRICS if marks[m] == mark)


def describe_rules(split: Split, new: pd.DataFrame) -> str:
    """Return in a sentence how many rules the training rows have, and how many of them new rows keep."""
    found = rules(split.X, new, split.y)
    # Cells that are equal now and then are a share, which single rows do not keep or break.
    found = found[found["kind"] != "partial equality"]
    if found.empty:
        return "rules between columns: none found."
    examples = found.drop_duplicates("kind")["formula"].str.replace("`", "").head(2)
    kept = int((found["new"] == 1).sum())
    every = f"all {len(new)} synthetic rows keep"
    if kept == len(found):
        return (
            f"rules between columns: {kept} found, such as {'; '.join(examples)}. {every.capitalize()} them."
        )
    return (
        f"rules between columns: {len(found)} found, such as {'; '.join(examples)}. {every.capitalize()} "
        f"{kept} of them; {found['new'].min():.1%} keep the one that is broken most."
    )


def _row(frame: pd.DataFrame, name: str, trained_on: str) -> dict[Any, Any]:
    return dict(zip(frame.columns, frame.xs((name, trained_on)), strict=True))


def write_all(
    out: Path,
    split: Split,
    augmenter: Any,
    X_res: pd.DataFrame,
    y_res: pd.Series,
    outcome: Outcome,
    seconds: float,
) -> None:
    """Write the report, its pictures, the augmented table and the model into a folder.

    Parameters
    ----------
    out : Path
    split : Split
        The first one, which the pictures are about.
    augmenter : VAEAugmenter
        Fitted to it.
    X_res, y_res : DataFrame and Series
        Its training rows, then the synthetic ones.
    outcome : Outcome
    seconds : float
        How long it took.
    """
    new = X_res.iloc[len(split.X) :]
    pictures = _pictures(split, augmenter, new, outcome)
    for name, picture in pictures.items():
        with replace_file(out / f"{name}.png") as temporary:
            temporary.write_bytes(picture.png)
    real = np.arange(len(X_res)) < len(split.X)
    write_frame(out / "augmented.csv", X_res.assign(diagnosis=y_res, synthetic=~real))
    augmenter.save(out / "model.safetensors")
    seeds = outcome.scores.index.unique("seed")
    table = Table(
        "Before and after",
        outcome.means,
        marks=outcome.changes,
        note=f"Means over {len(seeds)} splits; recall and precision of {RARE} rows at the default threshold. "
        f"▲ better, ▼ worse than as it is, in every split and by {_LEAST_CHANGE} or more.",
    )
    facts = {
        "Data": split.describe(),
        "Copies": f"{exact_copies(new, split.X).sum()} of {len(new)} synthetic rows equal a training row",
        "Model": f"VAEAugmenter(random_state={seeds[0]}), default settings, {augmenter.n_iter_} epochs",
        "Seeds": ", ".join(map(str, seeds)),
        "Time": f"{seconds:.0f} seconds in all",
        **library_versions(),
    }
    sections: list[Any] = [table, *pictures.values(), Text("What to make of it", outcome.advice())]
    title = "Does augmentation help? Breast cancer data, made imbalanced"
    Report(title, "\n".join([outcome.headline(), *outcome.verdicts()]), sections, facts).write(
        out / "index.html"
    )


def _pictures(split: Split, augmenter: Any, new: pd.DataFrame, outcome: Outcome) -> dict[str, Picture]:
    scale = StandardScaler().fit(split.X)
    real = np.concatenate([scale.transform(split.X), scale.transform(split.unseen)])
    kinds = np.concatenate([split.y, np.full(len(split.unseen), f"{RARE}, not trained on")])
    labels = np.full(len(new), RARE)
    recall = outcome.means["recall"].unstack().loc[outcome.names, [PLAIN, COPIES, OURS]]

    def scores(figure: Figure) -> None:
        xlabel = f"share of {RARE} test rows found (recall)"
        ScoresDisplay(scores=recall).plot(figure.add_subplot(), xlabel=xlabel)

    def columns(figure: Figure) -> None:
        display = MarginalsDisplay(real=split.unseen[[*_SHOWN]], synthetic=new[[*_SHOWN]])
        display.plot(figure, names=("real, not trained on", "synthetic"), width=2)

    def rows(figure: Figure) -> None:
        ax = figure.add_subplot()
        LatentScatterDisplay.from_codes(real, kinds, scale.transform(new), labels, ax=ax, title="")

    def codes(figure: Figure) -> None:
        ax = figure.add_subplot()
        LatentScatterDisplay.from_estimator(augmenter, split.X, split.y, new, labels, ax=ax, title="")

    def loss(figure: Figure) -> None:
        LossCurvesDisplay(history=augmenter.history_).plot(figure.add_subplot(), title="")

    return {
        "scores": Picture(
            f"How many of the {RARE} rows are found",
            draw_png(scores, 5.4, 3.0),
            f"Dots: recall of the {RARE} class for three classifiers, each trained on three tables.",
        ),
        "columns": Picture(
            f"Six columns of the {RARE} class",
            draw_png(columns, 5.4, 5.8),
            "Histograms of six columns: real rows the model has not seen, and synthetic rows.",
            f"First split. Grey: the {len(split.unseen)} {RARE} rows of the data that the model was not "
            f"trained on. Line: {len(new)} synthetic ones, learned from {(split.y == RARE).sum()} others.",
        ),
        "rows": Picture(
            "Real rows and synthetic rows",
            draw_png(rows, 5.4, 4.4),
            "Scatter of the rows along their two main axes; synthetic rows are crosses.",
            f"The {split.X.shape[1]} columns, standardised, along their two main axes. Synthetic rows should "
            f"lie where the {RARE} rows lie that were not trained on.",
        ),
        "codes": Picture(
            "Codes of the same rows: what the model notes of a row besides its class",
            draw_png(codes, 5.4, 4.2),
            "Scatter of the codes of real and synthetic rows along their two main axes.",
            "That the classes lie over each other is as it should be: the decoder is told the class, so the "
            "code need not say it. Crosses should lie among the dots of their class.",
        ),
        "loss": Picture(
            "Training",
            draw_png(loss, 5.4, 3.2),
            "Loss of training rows and of held-out rows over the epochs.",
        ),
    }


def draw_png(draw: Callable[[Figure], None], width: float, height: float) -> bytes:
    """Return a picture as the bytes of a PNG file; the drawing state of the process stays as it is."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    draw(figure)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=144)
    return buffer.getvalue()
