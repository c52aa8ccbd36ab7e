"""The image generators that are compared, each alone in a process.

Only numpy, torch and the generator's own library are imported; importing is not part of any time. Training
is watched through the library's own callbacks; what is done to watch it is not counted.
"""

import contextlib
import copy
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np


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
        return [self._sample(method, images, labels, fit_s) for method in self.job["methods"]]

    def _sample(self, method: str, images: np.ndarray, labels: np.ndarray, fit_s: float) -> dict[str, Any]:
        rng = np.random.default_rng([self.seed, 5])
        y = rng.permutation(np.resize(labels, self.job["images"]))
        way, _, residual = method.partition("+")
        began = time.perf_counter()
        if way == "prior":
            made, _ = self.model.sample(len(y), y, random_state=self.seed + 1)
        else:
            common = {"method": way, "sharp": bool(residual), "random_state": self.seed + 1}
            made, _ = self.model.generate(y, images, labels, **common)
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
        x = np.ascontiguousarray(images[:, None], dtype=np.float32) / 255.0
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
                    | self._sample(model, name, x, mark, last)
                )
        return points

    def _train(self, x: np.ndarray) -> tuple[Any, list[tuple[float, int, dict[str, Any]]]]:
        from pythae.data.preprocessors import DataProcessor
        from pythae.trainers.training_callbacks import TrainingCallback

        model, trainer_of, config = self._parts(x)
        seen: list[tuple[float, int, dict[str, Any]]] = []
        marks, batch = self.job["marks"], self.job["batch"]

        class Watch(TrainingCallback):
            steps, lost, began = 0, 0.0, 0.0

            def on_train_begin(self, training_config: Any, **kwargs: Any) -> None:
                self.began = time.perf_counter()

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
        trainer = trainer_of(model=model, train_dataset=data, training_config=config, callbacks=[Watch()])
        with contextlib.suppress(_Stop):
            trainer.train()
        return model, seen

    def _parts(self, x: np.ndarray) -> tuple[Any, Any, Any]:
        from pythae import models, trainers
        from pythae.models.nn.benchmarks import mnist

        settings = {"input_dim": tuple(x.shape[1:]), "latent_dim": 16}
        common = {
            "output_dir": tempfile.mkdtemp(),
            "num_epochs": 100_000,  # the last mark ends training
            "per_device_train_batch_size": self.job["batch"],
            "seed": self.job["seed"],
            "no_cuda": self.job["device"] == "cpu",
        }
        if self.job["model"] == "vae":
            config = models.VAEConfig(**settings)
            encoder = mnist.Encoder_Conv_VAE_MNIST(config)
            model = models.VAE(config, encoder=encoder, decoder=mnist.Decoder_Conv_AE_MNIST(config))
            return model, trainers.BaseTrainer, trainers.BaseTrainerConfig(learning_rate=1e-3, **common)
        # Weights of both penalties as in the configuration that pythae ships for MNIST.
        config = models.RAE_L2_Config(embedding_weight=1e-2, reg_weight=1e-4, **settings)
        encoder = mnist.Encoder_Conv_AE_MNIST(config)
        model = models.RAE_L2(config, encoder=encoder, decoder=mnist.Decoder_Conv_AE_MNIST(config))
        coupled = trainers.CoupledOptimizerTrainerConfig(
            encoder_learning_rate=1e-3,
            decoder_learning_rate=1e-3,
            decoder_optimizer_params={"weight_decay": config.reg_weight},
            **common,
        )
        return model, trainers.CoupledOptimizerTrainer, coupled

    def _sample(self, model: Any, name: str, x: np.ndarray, mark: int, last: bool) -> dict[str, Any]:
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
        np.savez(path, images=pixels[:, 0])
        return {
            "sampler": name,
            "prepare_s": round(prepared_s, 2),
            "images_per_s": round(count / sample_s, 1),
            "made": str(path),
        }


def generate(job: dict[str, Any]) -> dict[str, Any]:
    """Train a generator and write the images it makes; return where they are and what they took."""
    held = np.load(Path(job["folder"]) / "train.npz")
    generator = Pythae(job) if "model" in job else Vaeaug(job)
    return {"points": generator.run(held["images"], held["labels"])}
