"""Wrote ``model_format_1.safetensors``, which every later version must be able to load.

The file is kept, not made anew: a change that cannot read it breaks users' models. Only a
new format number gets a new file, beside the old one.
"""

import sys
from pathlib import Path

from vaeaug import Recipe, VAEAugmenter

HERE = Path(__file__).parent


def main() -> None:
    sys.path.insert(0, str(HERE.parent))
    from made_tables import made_labels, made_table

    augmenter = VAEAugmenter(
        latent_dim=2,
        max_iter=20,
        network=Recipe("residual", width=12, depth=1, dependence=12),
        prior=Recipe("mixture", components=3),
        device="cpu",
        random_state=0,
    )
    augmenter.fit(made_table(80), made_labels(80))
    augmenter.save(HERE / "model_format_1.safetensors")


if __name__ == "__main__":
    main()
