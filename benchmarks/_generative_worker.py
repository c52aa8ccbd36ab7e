"""The generators compared: ``_generative_worker.py job.json answer.json``, each alone in a process."""

from __future__ import annotations

import json
import math
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent))

#: What every entrant is given at scale 1: about as much training as fits in two minutes of one core.
GAN_STEPS, PIXEL_STEPS, EPOCHS = 800, 700, 8
SCORED, DRAWS = 300, 8


def vaeaug_settings(name: str) -> dict[str, Any]:
    """Return the keyword arguments of an entrant of the family."""
    from vaeaug import VARIANTS, Recipe

    plain = Recipe("convolutional", likelihood="gaussian")
    bound = {"reconstruction": 1.0, "kl": 1.0}
    special: dict[str, dict[str, Any]] = {
        "vaeaug (default)": {},
        # Pixels independent given the code, as in the papers: what they blur, the two others sharpen.
        "vae, plain pixels": {"prior": "mixture", "beta": 1.0, "network": plain},
        "vae, texture pixels": {
            "prior": "mixture",
            "beta": 1.0,
            "network": Recipe("convolutional", likelihood="texture"),
        },
        "perceptual": {
            "prior": "mixture",
            "network": plain,
            "losses": {**bound, "perceptual": Recipe("perceptual", weight=5.0)},
        },
        "adversarial": {
            "prior": "mixture",
            "network": plain,
            "losses": {**bound, "adversarial": Recipe("adversarial", weight=1.0)},
        },
    }
    return special[name] if name in special else dict(VARIANTS[name])


def main() -> None:
    job = json.loads(Path(sys.argv[1]).read_text())
    import torch

    torch.set_num_threads(int(job["threads"]))
    held = np.load(job["data"])
    run = {"GAN": _gan, "PixelCNN": _pixelcnn}.get(job["entrant"], _vaeaug)
    wanted = np.random.default_rng([job["seed"], 5]).permutation(np.resize(np.arange(10), job["made"]))
    answer, made = run(job, held, wanted)
    np.savez(Path(job["folder"]) / "made.npz", images=made, labels=wanted)
    Path(sys.argv[2]).write_text(json.dumps(answer))


class _Watch:
    """CPU seconds since the last look."""

    def __init__(self) -> None:
        self.last = time.process_time()

    def look(self) -> float:
        before, self.last = self.last, time.process_time()
        return round(self.last - before, 2)


def _gan(job: dict[str, Any], held: Any, wanted: np.ndarray) -> tuple[dict[str, Any], np.ndarray]:
    from _gan import ConditionalGAN

    model, watch = ConditionalGAN(steps=_scaled(GAN_STEPS, job), seed=job["seed"]), _Watch()
    model.fit(held["train"], held["train_labels"])
    fit_s = watch.look()
    made = model.sample(wanted, job["seed"] + 1)
    parameters = sum(p.numel() for p in model.generator.parameters())
    return {"fit_s": fit_s, "sample_s": watch.look(), "parameters": parameters}, made


def _pixelcnn(job: dict[str, Any], held: Any, wanted: np.ndarray) -> tuple[dict[str, Any], np.ndarray]:
    from _pixelcnn import PixelCNN

    model, watch = PixelCNN(steps=_scaled(PIXEL_STEPS, job), seed=job["seed"]), _Watch()
    model.fit(held["train"], held["train_labels"])
    fit_s = watch.look()
    made = model.sample(wanted, job["seed"] + 1)
    sample_s = watch.look()
    bits = model.bits_per_dim(held["test"][:SCORED], held["test_labels"][:SCORED])
    parameters = sum(p.numel() for p in model.network.parameters())
    return {"fit_s": fit_s, "sample_s": sample_s, "bits": round(bits, 4), "parameters": parameters}, made


def _vaeaug(job: dict[str, Any], held: Any, wanted: np.ndarray) -> tuple[dict[str, Any], np.ndarray]:
    from vaeaug import VAEAugmenter

    settings = {"max_iter": _scaled(EPOCHS, job), "device": "cpu", "random_state": job["seed"]}
    model, watch = VAEAugmenter(**settings | vaeaug_settings(job["entrant"])), _Watch()
    model.fit(held["train"], held["train_labels"])
    fit_s = watch.look()
    made, _ = model.sample(len(wanted), wanted, random_state=job["seed"] + 1)
    answer = {"fit_s": fit_s, "sample_s": watch.look(), "epochs": model.n_iter_}
    vae = model._model.vae
    answer["parameters"] = sum(p.numel() for p in vae.parameters())
    if type(vae.likelihood).__name__ in ("TexturePixels", "LogisticPixels"):
        scores = model.score_samples(held["test"][:SCORED], held["test_labels"][:SCORED], n_draws=DRAWS)
        # Probabilities of 8-bit values, given as a density over [−1, 1] in which each is 2/255 wide.
        nats = -scores.mean() / held["test"][0].size + math.log(255 / 2)
        answer["bits"] = round(float(nats / math.log(2)), 4)
    critic = getattr(model._model.objective, "adversaries", {}).get("adversarial")
    if critic is not None:
        answer["critic"] = {"active": float(critic.active), "accuracy": round(float(critic.accuracy), 3)}
    answer["last"] = {
        name: round(float(value), 3)
        for name, value in model.history_.query("stage == 'network'").iloc[-1].items()
        if name.startswith("train_")
    }
    return answer, made


def _scaled(size: int, job: dict[str, Any]) -> int:
    return 2 if job["fast"] else max(1, round(size * job["scale"]))


if __name__ == "__main__":
    main()
