"""Find images that do not belong
==============================

Find images that do not belong, and those the model is unsure of.
``score_samples`` is a lower bound on the log-likelihood: low means unusual. ``uncertainty`` says how much
plausible reconstructions differ. Both are tried on digits that were mirrored, turned or blotted, and then
on the digits themselves, whose strangest are shown. Writes ``anomalies.png``.

To run it::

    python examples/anomalies.py [FOLDER]
"""

import os
import sys
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from sklearn.datasets import load_digits
from sklearn.metrics import roc_auc_score

from vaeaug import VAEAugmenter
from vaeaug.plotting import FramesDisplay

FAST = os.environ.get("VAEAUG_FAST") == "1"


def digits() -> tuple[np.ndarray, np.ndarray]:
    """Return scikit-learn's 8×8 digits as bytes, and their classes; in fast mode a few."""
    data = load_digits()
    images = (data.images * 255 / 16).round().astype(np.uint8)
    return (images[:200], data.target[:200]) if FAST else (images, data.target)


def main(folder: Path) -> None:
    images, labels = digits()
    test = slice(0, len(images) // 4)
    rest = slice(len(images) // 4, None)
    augmenter = VAEAugmenter(latent_dim=12, max_iter=2 if FAST else 60, random_state=0)
    augmenter.fit(images[rest], labels[rest])
    known, y = images[test], labels[test]
    blotted = known.copy()
    blotted[:, 2:5, 2:5] = np.random.default_rng(0).integers(0, 255, (len(known), 3, 3))
    strange = {"mirrored": known[:, :, ::-1], "turned": np.rot90(known, 1, (1, 2)), "blotted": blotted}
    usual = augmenter.score_samples(known, y), augmenter.uncertainty(known, y)
    truth = np.repeat([0, 1], len(known))
    for name, odd in strange.items():
        score, unsure = augmenter.score_samples(odd, y), augmenter.uncertainty(odd, y)
        found = [
            roc_auc_score(truth, -np.r_[usual[0], score]),
            roc_auc_score(truth, np.r_[usual[1], unsure]),
        ]
        print(
            f"{name:9} told from real digits: ROC AUC {found[0]:.3f} by score, {found[1]:.3f} by uncertainty"
        )

    order = np.argsort(usual[0])
    figure = Figure(figsize=(9.6, 3.0), layout="constrained")
    left, right = figure.subplots(1, 2, width_ratios=(1, 1.25))
    rows = {"strangest": known[order[:10]], "most usual": known[order[::-1][:10]]}
    rows["least sure"] = known[np.argsort(-usual[1])[:10]]
    FramesDisplay.from_edits(rows, ax=right)
    right.set_title("real digits, by rank", loc="left", fontweight="bold")
    bins = np.linspace(
        *np.quantile(np.r_[usual[0], *map(augmenter.score_samples, strange.values())], [0.02, 1]), 40
    )
    left.hist(usual[0], bins, color="#bcc4cd", label="real digits")
    for colour, (name, odd) in zip(("#D55E00", "#0072B2", "#009E73"), strange.items(), strict=True):
        left.hist(augmenter.score_samples(odd, y), bins, histtype="step", lw=2, color=colour, label=name)
    left.set_xlabel("score_samples (nats): low is unusual")
    left.spines[["top", "right"]].set_visible(False)
    left.legend(frameon=False)
    figure.savefig(folder / "anomalies.png", dpi=110)


if __name__ == "__main__":
    target = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).with_name("figures")
    target.mkdir(parents=True, exist_ok=True)
    main(target)
