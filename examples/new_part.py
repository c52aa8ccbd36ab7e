"""A prior and a loss of your own
==============================

One class each, and one line in a registry each.
What a part must do is written in its base class: ``vaeaug/nn/priors/base.py`` for priors, ``posteriors``
and ``latents`` beside it, ``vaeaug/losses/term.py`` for losses. Inside the library, a class goes into a
file of its own and its line into the registry; from there the estimator, saving and loading, the
error messages and the contract tests find it. Here both are added from outside, which works as long as
a process that loads a saved model registers them too. Writes ``new_part.png``.

To run it::

    python examples/new_part.py [FOLDER]
"""

import os
import sys
from pathlib import Path

import numpy as np
import torch
from matplotlib.figure import Figure
from sklearn.datasets import load_wine
from torch import Tensor

from vaeaug import Recipe, VAEAugmenter
from vaeaug.losses.term import Setting
from vaeaug.losses.terms import TERMS
from vaeaug.nn.distributions import CodeDistribution
from vaeaug.nn.priors.base import Prior, Sizes, Turns
from vaeaug.nn.priors.registry import PRIORS
from vaeaug.nn.vae import Pass
from vaeaug.utils.validation import check_number

FAST = os.environ.get("VAEAUG_FAST") == "1"


class StudentPrior(Prior):
    """Independent Student t distributions per class: like Gaussians, with room for unusual rows.

    Parameters
    ----------
    freedom : float
        Degrees of freedom ν > 2; small values have heavy tails.
    """

    # Buffers are saved with the model, so whatever is fitted is a buffer or a parameter.
    centre: Tensor
    spread: Tensor

    def __init__(self, sizes: Sizes, *, freedom: float = 5.0) -> None:
        super().__init__(sizes)
        self.freedom = check_number("freedom", freedom, low=2, open_low=True)
        # One row per class, and a last one for rows whose label is unknown.
        self.register_buffer("centre", torch.zeros(self.classes + 1, self.latent_dim))
        self.register_buffer("spread", torch.ones(self.classes + 1, self.latent_dim))

    def forward(self, c: Tensor) -> CodeDistribution:
        """Return the distribution over codes for each context."""
        group = self.group(c)
        return StudentCodes(self.centre[group], self.spread[group], self.freedom)

    def estimate(self, codes: Tensor, contexts: Tensor, draws: int, turns: Turns = range) -> None:
        """Take the moments of every class; small classes lean on all rows."""
        group = self.group(contexts)
        moments = torch.stack([codes, codes.square()])
        shared = moments.mean(1)
        for k in range(self.classes + 1):
            own = moments[:, group == k] if k < self.classes else moments
            borrowed = self.pseudo_count * draws
            first, second = (own.sum(1) + borrowed * shared) / (own.shape[1] + borrowed)
            self.centre[k] = first
            # A t distribution has variance s² ν / (ν − 2).
            variance = (second - first.square()).clamp(min=1e-6)
            self.spread[k] = (variance * (self.freedom - 2) / self.freedom).sqrt()


class StudentCodes(CodeDistribution):
    """Independent Student t distributions around ``centre`` with scale ``spread``, both ``(B, D)``."""

    def __init__(self, centre: Tensor, spread: Tensor, freedom: float) -> None:
        self.law = torch.distributions.StudentT(freedom, centre, spread, validate_args=False)
        super().__init__(*centre.shape)

    def draw(self, temperature: float = 1.0) -> Tensor:
        """Draw one code per row, with the noise scaled by ``temperature``."""
        return self.law.loc + temperature * (self.law.sample() - self.law.loc)

    def log_prob(self, z: Tensor) -> Tensor:
        """Return the log-density of codes ``(..., B, D)``."""
        return self.law.log_prob(z).sum(-1)


class Capacity:
    """Hold the KL near a target, ``|KL − C|`` (Burgess et al. 2018, *Understanding Disentangling in β-VAE*).

    Parameters
    ----------
    nats : float
        C.
    """

    def __init__(self, setting: Setting, *, nats: float = 4.0) -> None:
        self.nats = check_number("nats", nats, low=0)

    def __call__(self, passed: Pass) -> Tensor:
        """Return one loss per row, shape ``(B,)``."""
        return (passed.kl.mean() - self.nats).abs().expand_as(passed.kl)


# The registry lines. In the library they stand in vaeaug/nn/priors/registry.py and vaeaug/losses/terms.py.
PRIORS["student"] = StudentPrior
TERMS["capacity"] = Capacity


def main(folder: Path) -> None:
    X, y = load_wine(return_X_y=True, as_frame=True)
    augmenter = VAEAugmenter(
        latent_dim=2,
        prior=Recipe("student", freedom=4.0),
        losses={"reconstruction": 1.0, "capacity": Recipe("capacity", nats=4.0, weight=5.0)},
        max_iter=3 if FAST else 150,
        early_stopping=False,
        random_state=0,
    ).fit(X, y)
    made, labels = augmenter.sample(500, random_state=0)
    known, drawn = augmenter.transform(X), augmenter.transform(made)

    figure = Figure(figsize=(9, 4), layout="constrained")
    axes = figure.subplots(1, 2, sharex=True, sharey=True)
    for ax, codes, classes, title in (
        (axes[0], known, y, "178 wines"),
        (axes[1], drawn, labels, "500 draws of the new prior"),
    ):
        for label, colour in zip(range(3), ("#0072B2", "#D55E00", "#009E73"), strict=True):
            ax.scatter(*codes[np.asarray(classes) == label].T, s=9, color=colour, label=f"class {label}")
        ax.set_title(title, loc="left", fontweight="bold")
        ax.set_xlabel("first number of the code")
        ax.spines[["top", "right"]].set_visible(False)
    axes[0].set_ylabel("second number of the code")
    axes[0].legend(frameon=False)
    figure.savefig(folder / "new_part.png", dpi=110)
    bound = augmenter.score_samples(X, y).mean()
    print(f"mean bound {bound:.2f} nats; the last epochs:")
    print(augmenter.history_.tail(2).round(2).to_string(index=False))


if __name__ == "__main__":
    target = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).with_name("figures")
    target.mkdir(parents=True, exist_ok=True)
    main(target)
