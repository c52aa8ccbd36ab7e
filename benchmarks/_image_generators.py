"""The image generators that are compared: ``_image_entrants.py job.json answer.json``.

Each runs alone in a process. Only numpy, torch and the entrant's own library are imported; importing is
not part of any time.
Training is watched through the library's own callbacks; what is done to watch it is not counted.
"""

from __future__ import annotations

import copy
import json
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent))
from _common import own_peak_mb, versions

PACKAGES = ("vaeaug", "pythae", "torch", "torchvision", "numpy", "scikit-learn")


class Vaeaug:
    """VAEAugmenter with the labels as context; one fit, several ways to sample."""

    def __init__(self, job: dict[str, Any]) -> None:
        import torch  # noqa: F401  (the cost of importing is not the cost of fitting)

        from vaeaug import VAEAugmenter

        self.job, self.seed = job, job["seed"]
        self.model = VAEAugmenter(**{"device": job["device"], "random_state": self.seed} | job["settings"])

    def run(self, images: np.ndarray, labels: np.ndarray) -> list[dict[str, Any]]:
        began, worked = time.perf_counter(), time.process_time()
        self.model.fit(images, labels)
        fit_s, self.cpu_s = time.perf_counter() - began, time.process_time() - worked
        return [self._made(method, images, labels, fit_s) for method in self.job["methods"]]

    def _made(self, method: str, images: np.ndarray, labels: np.ndarray, fit_s: float) -> dict[str, Any]:
        rng = np.random.default_rng([self.seed, 5])
        drawn = np.unique(labels) if self.job.get("balanced") else labels
        y = rng.permutation(np.resize(drawn, self.job["images"]))
        kind, _, temperature = method.partition("@")
        way, _, residual = kind.partition("+")
        common = {"random_state": self.seed + 1, "temperature": float(temperature or 1.0)}
        began = time.perf_counter()
        if way == "prior":
            made, _ = self.model.sample(len(y), y, **common)
        else:
            # Of images that are interpolated, the library adds nothing back.
            sharp = bool(residual) and way == "posterior"
            made, sources = self.model.generate(y, images, labels, method=way, sharp=sharp, **common)
            if residual and not sharp:
                made = _with_residual(self.model, made, images[sources], y)
        sample_s = time.perf_counter() - began
        path = Path(self.job["folder"]) / f"{method}.npz"
        np.savez(path, images=made, labels=y)
        return {
            "sampler": method,
            "seconds": round(fit_s, 2),
            "cpu_s": round(self.cpu_s, 1),
            "images_per_s": round(len(y) / sample_s, 1),
            "made": str(path),
        }


def _with_residual(model: Any, made: np.ndarray, real: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Add to each image what its source lost in reconstruction: x + dec(z') − dec(z), clipped."""
    lost = real.astype(np.int16) - model.reconstruct(real, y).astype(np.int16)
    return (made.astype(np.int16) + lost).clip(0, 255).astype(np.uint8)


class _Stop(Exception):
    """The training time is used up."""


class Pythae:
    """pythae's VAE or RAE-L2 with its convolutional networks, watched while it trains.

    At each of ``marks`` seconds of training the weights are copied; samplers are fitted on the copies
    after training. All settings are those of the configurations that pythae ships for MNIST: 16 codes,
    learning rate 1e-3, batches of 100.
    """

    def __init__(self, job: dict[str, Any]) -> None:
        import torch

        torch.manual_seed(job["seed"])
        self.job = job

    def run(self, images: np.ndarray, labels: np.ndarray) -> list[dict[str, Any]]:
        x = _unit(images)
        worked = time.process_time()
        model, seen = self._train(x)
        cpu_s = time.process_time() - worked
        points = []
        for mark, (seconds, count, weights) in enumerate(seen):
            model.load_state_dict(weights)
            model.eval()
            last = mark == len(seen) - 1
            for name in self.job["samplers"]:
                points.append(
                    {"seconds": round(seconds, 2), "images_seen": count, "last": last}
                    | ({"cpu_s": round(cpu_s, 1)} if last else {})
                    | self._made(model, name, x, mark, last)
                )
        return points

    def _train(self, x: np.ndarray) -> tuple[Any, list[tuple[float, int, dict[str, Any]]]]:
        from pythae.data.preprocessors import DataProcessor
        from pythae.trainers.training_callbacks import TrainingCallback

        model, trainer_of, config = self._parts(x)
        seen: list[tuple[float, int, dict[str, Any]]] = []
        marks, batch = list(self.job["marks"]), self.job["batch"]

        class Watch(TrainingCallback):
            def __init__(self) -> None:
                self.steps, self.lost, self.began = 0, 0.0, time.perf_counter()

            def on_train_step_end(self, training_config: Any, **kwargs: Any) -> None:
                self.steps += 1
                now = time.perf_counter()
                if now - self.began - self.lost < marks[len(seen)]:
                    return
                weights = copy.deepcopy(model.state_dict())
                seen.append((now - self.began - self.lost, self.steps * batch, weights))
                self.lost += time.perf_counter() - now
                if len(seen) == len(marks):
                    raise _Stop

        processor = DataProcessor()
        data = processor.to_dataset(processor.process_data(x))
        watch = Watch()
        trainer = trainer_of(model=model, train_dataset=data, training_config=config, callbacks=[watch])
        watch.began = time.perf_counter()
        try:
            trainer.train()
        except _Stop:
            return model, seen
        # All epochs were done before the time was up.
        now = time.perf_counter()
        seen.append((now - watch.began - watch.lost, watch.steps * batch, copy.deepcopy(model.state_dict())))
        return model, seen

    def _parts(self, x: np.ndarray) -> tuple[Any, Any, Any]:
        from pythae import models, trainers
        from pythae.models.nn.benchmarks import cifar, mnist

        shape = tuple(x.shape[1:])
        nets = {"mnist": mnist, "cifar": cifar}["cifar" if shape == (3, 32, 32) else "mnist"]
        kind = "CIFAR" if nets is cifar else "MNIST"
        settings = {"input_dim": shape, "latent_dim": 16 if nets is mnist else 256}
        common = {
            "output_dir": tempfile.mkdtemp(),
            "num_epochs": 100,
            "per_device_train_batch_size": self.job["batch"],
            "seed": self.job["seed"],
            "no_cuda": self.job["device"] == "cpu",
        }
        decoder_of = getattr(nets, f"Decoder_Conv_AE_{kind}")
        if self.job["model"] == "vae":
            config = models.VAEConfig(**settings)
            encoder = getattr(nets, f"Encoder_Conv_VAE_{kind}")(config)
            model = models.VAE(config, encoder=encoder, decoder=decoder_of(config))
            return model, trainers.BaseTrainer, trainers.BaseTrainerConfig(learning_rate=1e-3, **common)
        # Weights of both penalties as in the configuration that pythae ships for MNIST.
        config = models.RAE_L2_Config(embedding_weight=1e-2, reg_weight=1e-4, **settings)
        encoder = getattr(nets, f"Encoder_Conv_AE_{kind}")(config)
        model = models.RAE_L2(config, encoder=encoder, decoder=decoder_of(config))
        coupled = trainers.CoupledOptimizerTrainerConfig(
            encoder_learning_rate=1e-3,
            decoder_learning_rate=1e-3,
            decoder_optimizer_params={"weight_decay": config.reg_weight},
            **common,
        )
        return model, trainers.CoupledOptimizerTrainer, coupled

    def _made(self, model: Any, name: str, x: np.ndarray, mark: int, last: bool) -> dict[str, Any]:
        import torch
        from pythae import samplers

        torch.manual_seed(self.job["seed"] + 1)
        began = time.perf_counter()
        if name == "normal":
            sampler = samplers.NormalSampler(model=model)
        else:
            config = samplers.GaussianMixtureSamplerConfig(n_components=10)
            sampler = samplers.GaussianMixtureSampler(model=model, sampler_config=config)
            sampler.fit(torch.from_numpy(x[: self.job["gmm_images"]]))
        prepared_s = time.perf_counter() - began
        count = self.job["last_images"] if last else self.job["images"]
        began = time.perf_counter()
        made = sampler.sample(num_samples=count, batch_size=500)
        sample_s = time.perf_counter() - began
        pixels = (made.numpy().clip(0, 1) * 255).round().astype(np.uint8)
        path = Path(self.job["folder"]) / f"{name}-{mark}.npz"
        np.savez(path, images=pixels[:, 0] if pixels.shape[1] == 1 else pixels.transpose(0, 2, 3, 1))
        return {
            "sampler": name,
            "prepare_s": round(prepared_s, 2),
            "images_per_s": round(count / sample_s, 1),
            "made": str(path),
        }


def _unit(images: np.ndarray) -> np.ndarray:
    """Return images as float32 ``(n, C, H, W)`` in [0, 1]."""
    x = images[:, None] if images.ndim == 3 else images.transpose(0, 3, 1, 2)
    return np.ascontiguousarray(x, dtype=np.float32) / 255.0


ENTRANTS = {"vaeaug": Vaeaug, "pythae": Pythae}


def main(request: str, answer: str) -> None:
    job = json.loads(Path(request).read_text())
    held = np.load(job["train"])
    points = ENTRANTS[job["entrant"]](job).run(held["images"], held["labels"])
    result = {"points": points, "peak_mb": own_peak_mb(), "versions": versions(PACKAGES)}
    Path(answer).write_text(json.dumps(result))


if __name__ == "__main__":
    main(*sys.argv[1:])
