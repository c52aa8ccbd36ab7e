"""Clusters and few labels: codes instead of pixels
================================================

The model sees no label. Its codes (``transform``) are then clustered, and classified from five labels a
class, beside the pixels and as many principal components. Writes ``clustering.png``.

To run it::

    python examples/clustering.py [FOLDER]
"""

import os
import sys
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from sklearn.cluster import KMeans
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.manifold import TSNE
from sklearn.metrics import adjusted_rand_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from vaeaug import VAEAugmenter
from vaeaug.plotting import LatentScatterDisplay

FAST = os.environ.get("VAEAUG_FAST") == "1"


def digits() -> tuple[np.ndarray, np.ndarray]:
    """Return scikit-learn's 8×8 digits as bytes, and their classes; in fast mode a few."""
    data = load_digits()
    images = (data.images * 255 / 16).round().astype(np.uint8)
    return (images[:200], data.target[:200]) if FAST else (images, data.target)


def main(folder: Path) -> None:
    images, labels = digits()
    augmenter = VAEAugmenter(latent_dim=12, max_iter=2 if FAST else 60, random_state=0).fit(images)
    flat = images.reshape(len(images), -1) / 255.0
    spaces = {
        "pixels": flat,
        "12 principal components": PCA(12, random_state=0).fit_transform(flat),
        "codes": augmenter.transform(images),
    }
    rng = np.random.default_rng(0)
    draws = [
        np.concatenate([rng.permutation(np.flatnonzero(labels == k))[:5] for k in range(10)])
        for _ in range(5)
    ]
    found = {}
    for name, rows in spaces.items():
        clusters = KMeans(10, n_init=3, random_state=0).fit_predict(rows)
        classify = make_pipeline(StandardScaler(), LogisticRegression(max_iter=500))
        scores = [
            classify.fit(rows[known], labels[known]).score(
                np.delete(rows, known, 0), np.delete(labels, known)
            )
            for known in draws
        ]
        found[name] = {
            "clusters (Rand index)": adjusted_rand_score(labels, clusters),
            "from 5 labels": np.mean(scores),
        }
    print(pd.DataFrame(found).T.round(3).to_string())

    figure = Figure(figsize=(9.4, 4.2), layout="constrained")
    some = slice(0, 900)
    axes = figure.subplots(1, 2)
    for ax, name in zip(axes, ("pixels", "codes"), strict=True):
        flatmap = TSNE(init="pca", perplexity=20, random_state=0).fit_transform(spaces[name][some])
        LatentScatterDisplay.from_codes(flatmap, labels[some], ax=ax, title=f"t-SNE of {name}")
        ax.set(xticks=[], yticks=[], xlabel="", ylabel="")
    axes[0].get_legend().remove()
    axes[1].legend(frameon=False, loc="center left", bbox_to_anchor=(1, 0.5))
    figure.savefig(folder / "clustering.png", dpi=110)


if __name__ == "__main__":
    target = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).with_name("figures")
    target.mkdir(parents=True, exist_ok=True)
    main(target)
