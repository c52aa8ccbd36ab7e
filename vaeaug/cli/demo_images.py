"""``vaeaug demo --images``: the main job on images, with a before/after table, a page and pictures."""

from __future__ import annotations

import sys
import textwrap
from dataclasses import dataclass
from time import perf_counter
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from sklearn.datasets import load_digits
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import recall_score
from sklearn.model_selection import train_test_split
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from vaeaug.augmenter import VAEAugmenter
from vaeaug.cli.augment import listen
from vaeaug.cli.demo_report import COPIES, OURS, PLAIN, draw_png
from vaeaug.plotting.frames import FramesDisplay
from vaeaug.reports.report import Picture, Report, Table, Text, library_versions
from vaeaug.utils.files import make_folder, replace_file
from vaeaug.utils.random import numpy_generator
from vaeaug.utils.signals import interruptible

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["run"]

_RARE, _KNOWN = (3, 8), 15
_BRIGHTEST = 16
_SHOWN = 8
_METRICS = ("recall of 3 and 8", "recall of all digits")
_CAUTION = (
    "This is one split, with some 120 test images of the two digits: a difference of four points may be "
    "chance. Copies are what class weights amount to: new images are worth making where they do better."
)


@dataclass(frozen=True)
class _Digits:
    """Training images with few of two digits, and test images as they are."""

    X: np.ndarray
    y: np.ndarray
    X_test: np.ndarray
    y_test: np.ndarray

    def describe(self) -> str:
        counts = pd.Series(self.y).value_counts()
        return (
            f"Handwritten digits of scikit-learn, 8 × 8 pixels, made imbalanced: {_KNOWN} images each of "
            f"{_RARE[0]} and {_RARE[1]} and about {counts.drop([*_RARE]).mean():.0f} of every other digit to "
            f"train on, {len(self.y_test)} others as they are to test on. Each classifier is trained on the "
            "images as they are, with copies of the two digits until all are of one number, and with new "
            "images instead of copies."
        )


def run(folder: str, seed: int = 0) -> pd.DataFrame:
    """Run the demonstration and write what it makes into a folder.

    Parameters
    ----------
    folder : str
        Made if it is not there. Files of an earlier run are replaced.
    seed : int, default=0
        Of split, model and images.

    Returns
    -------
    DataFrame
        Test scores, by classifier and by what it was trained on.

    Raises
    ------
    InputError
        If the folder cannot be written to.
    """
    start = perf_counter()
    out = make_folder(folder, parents=True)
    digits = _split(seed)
    print(textwrap.fill(digits.describe(), 88))
    print("\nLearning the images ...", flush=True)
    painter = VAEAugmenter(random_state=seed, verbose=int(sys.stderr.isatty()))
    with interruptible(), listen(painter):
        painter.fit(digits.X, digits.y)
        X_res, y_res = painter.resample(digits.X, digits.y, random_state=seed)
    print(f"Learned them in {perf_counter() - start:.0f} s\n")
    scores = _compare(digits, X_res, y_res, seed)
    print(scores.round(3).to_string())
    words = _put_in_words(scores)
    print("\n" + textwrap.fill(words, 88) + "\n\n" + textwrap.fill(_CAUTION, 88))
    pictures = _draw(digits, painter, X_res[len(digits.X) :], y_res[len(digits.y) :])
    for name, picture in pictures.items():
        with replace_file(out / f"{name}.png") as temporary:
            temporary.write_bytes(picture.png)
    painter.save(out / "model.safetensors")
    seconds = perf_counter() - start
    facts = {"Data": digits.describe(), "Seed": str(seed), "Time": f"{seconds:.0f} s", **library_versions()}
    sections: list[Any] = [Table("Before and after", scores), *pictures.values()]
    sections.append(Text("What to make of it", [_CAUTION]))
    title = "Does augmentation help? Digits, made imbalanced"
    Report(title, words, sections, facts).write(out / "index.html")
    print(
        f"\nWritten to the folder {out} in {seconds:.0f} s:\n"
        "  index.html          the report; open it in a browser\n"
        "  *.png               its pictures\n"
        "  model.safetensors   the model; for a page of sliders over its codes:\n"
        f"  vaeaug studio {out / 'model.safetensors'} -o {out / 'studio.html'}"
    )
    return scores


def _split(seed: int) -> _Digits:
    """Hold out a third of the images; of the others keep 15 of each of two digits."""
    data = load_digits()
    X, X_test, y, y_test = train_test_split(
        data.images.astype(np.uint8), data.target, test_size=1 / 3, stratify=data.target, random_state=seed
    )
    rows = [np.flatnonzero(y == k)[: _KNOWN if k in _RARE else None] for k in range(10)]
    kept = np.sort(np.concatenate(rows))
    return _Digits(X[kept], y[kept], X_test, y_test)


def _compare(digits: _Digits, X_res: np.ndarray, y_res: np.ndarray, seed: int) -> pd.DataFrame:
    """Return test scores of every classifier, trained on the images as they are, with copies, with ours."""
    generator = numpy_generator(seed, 1)
    added = y_res[len(digits.y) :]
    copied = [generator.choice(np.flatnonzero(digits.y == label)) for label in added]
    sets = {
        PLAIN: (digits.X, digits.y),
        COPIES: (np.concatenate([digits.X, digits.X[copied]]), y_res),
        OURS: (X_res, y_res),
    }
    classifiers: dict[str, Any] = {
        "logistic regression": make_pipeline(StandardScaler(), LogisticRegression(max_iter=2000)),
        "5 nearest neighbours": KNeighborsClassifier(),
        "random forest": RandomForestClassifier(100, random_state=seed),
    }
    found = {}
    for name, classifier in classifiers.items():
        for trained_on, (X, y) in sets.items():
            guess = classifier.fit(X.reshape(len(X), -1), y).predict(digits.X_test.reshape(-1, 64))
            recalls = recall_score(digits.y_test, guess, average=None)
            found[name, trained_on] = (recalls[[*_RARE]].mean(), recalls.mean())
    index = pd.MultiIndex.from_tuples(list(found), names=["classifier", "trained on"])
    return pd.DataFrame(list(found.values()), index=index, columns=list(_METRICS))


def _put_in_words(scores: pd.DataFrame) -> str:
    """Return the outcome in two sentences."""
    recall = scores[_METRICS[0]].unstack()
    better = int((recall[OURS] > recall[PLAIN]).sum())
    ahead = int((recall[OURS] > recall[COPIES]).sum())
    return (
        f"New images let {better} of {len(recall)} classifiers read more of the two digits "
        f"({recall[PLAIN].mean():.0%} to {recall[OURS].mean():.0%} on the mean). "
        f"For {ahead} of them they did better than copies ({recall[COPIES].mean():.0%})."
    )


def _draw(digits: _Digits, painter: Any, new: np.ndarray, labels: np.ndarray) -> dict[str, Picture]:
    """Return the pictures of the page: real and new images of the two digits, and one hand, every digit."""
    frames = []
    for digit in _RARE:
        frames += [digits.X[digits.y == digit][:_SHOWN], new[labels == digit][:_SHOWN]]
    hands = [digits.X[digits.y == digit][0] for digit in (0, 2, 4, 6, 9)]
    written = [painter.transfer(np.stack(hands), [0, 2, 4, 6, 9], [k] * 5) for k in range(10)]
    rows = np.concatenate([np.stack(hands)[None], np.stack(written)]).swapaxes(0, 1)

    def images(figure: Figure) -> None:
        names = [f"{kind} {digit}" for digit in _RARE for kind in ("real", "new")]
        FramesDisplay(frames=np.stack(frames) / _BRIGHTEST, row_names=names).plot(figure.add_subplot())

    def transfer(figure: Figure) -> None:
        names = ["real", *map(str, range(10))]
        FramesDisplay(frames=rows / _BRIGHTEST, column_names=names).plot(figure.add_subplot())

    return {
        "images": Picture(
            "Real and new images of the two digits",
            draw_png(images, 6.0, 3.2),
            "Rows of images: real threes, new threes, real eights, new eights.",
            f"The model knows {_KNOWN} images of each of the two digits. How digits are written it learns "
            "from all images.",
        ),
        "transfer": Picture(
            "One hand, every digit",
            draw_png(transfer, 6.4, 3.2),
            "Each row: a real digit, then the same hand writing 0 to 9.",
            "Left: real images. Beside each: what the same hand would write. The code of an image holds "
            "slant and boldness. The digit is told to the decoder.",
        ),
    }
