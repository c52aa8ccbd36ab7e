"""What the processes of a training in a team do in the tests; run as ``python rank_tasks.py TASK FOLDER``."""

import atexit
import os
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from torch import nn

from vaeaug import VAEAugmenter
from vaeaug.errors import VaeaugError
from vaeaug.model import training_data
from vaeaug.model.fitted import get_fitted
from vaeaug.training.callbacks import Callback
from vaeaug.training.distributed import Team, current_team
from vaeaug.training.loop import train
from vaeaug.training.options import Options
from vaeaug.training.rows import HeldRows
from vaeaug.training.run import Conditions
from vaeaug.training.runtime import Runtime


class Rivals(nn.Module):
    """A line that is fitted, and a critic that learns its errors: no noise, so that batches decide all."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.line, self.critic = nn.Linear(3, 1), nn.Linear(3, 1)
        self.register_buffer("recent", torch.zeros(()))

    def forward(self, batch, progress):
        x, y = batch
        error = (self.line(x)[:, 0] - y).square()
        if self.training:
            with torch.no_grad():
                self.recent.lerp_(error.mean(), 0.1)
        return {"loss": error + 0.01 * progress * self.critic(x)[:, 0].square(), "error": error}

    def critic_parameters(self):
        return list(self.critic.parameters())

    def critic_loss(self, batch):
        x, y = batch
        return (self.critic(x)[:, 0] - (self.line(x)[:, 0] - y).detach()).square()

    def is_spoilt(self):
        return False

    def concede(self):
        raise AssertionError


def lines(rows=203):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(rows, 3)).astype(np.float32)
    return torch.from_numpy(x), torch.from_numpy(x @ np.float32([1, -2, 0.5]) + 3)


def trained(team=None, callbacks=()):
    """Return the weights after a training with validation, weights and early stopping, and its history."""
    x, y = lines()
    weights = torch.linspace(0.5, 2.0, len(x))
    model, cpu = Rivals(), Runtime("cpu")
    result = train(
        model,
        HeldRows((x, y), weights, cpu.device),
        Options(max_iter=12, batch_size=32, learning_rate=0.05, n_iter_no_change=4),
        Conditions(3, cpu, callbacks, team or Team()),
        validation=HeldRows(lines(40), None, cpu.device),
    )
    history = np.asarray([result.history["train_loss"], result.history["valid_loss"]])
    return {name: value.numpy() for name, value in model.state_dict().items()} | {"history": history}


def table():
    rng = np.random.default_rng(0)
    first = rng.normal(size=240)
    frame = pd.DataFrame({"a": first, "b": first + 0.1 * rng.normal(size=240), "c": rng.integers(0, 4, 240)})
    return frame, pd.Series(np.where(first > 0.8, "yes", "no"), name="label")


def weights_of(model):
    return get_fitted(model).model.state()


def fitted_without_noise():
    """Return the weights of an autoencoder, whose training draws no random numbers."""
    model = VAEAugmenter(posterior="none", prior="gaussian", max_iter=4, random_state=0, device="cpu")
    return weights_of(model.fit(table()[0]))


def fitted():
    """Return the weights of the usual model; the processes are given no seed."""
    return weights_of(VAEAugmenter(max_iter=3, random_state=None, device="cpu").fit(*table()))


def write_groups(path, group_rows):
    frame, labels = table()
    frame.assign(label=labels).to_parquet(path, row_group_size=group_rows, index=False)


def streamed(folder, group_rows):
    """Return the weights after a fit on a file of row groups of so many rows."""
    path = Path(folder) / f"groups_of_{group_rows}.parquet"
    model = VAEAugmenter(max_iter=2, random_state=0, device="cpu").fit(path, y="label")
    assert model.sample(5, random_state=0)[0].shape == (5, 3)
    return weights_of(model)


class Dies(Callback):
    """Ends one process after an epoch, as if it were killed."""

    def __init__(self, rank):
        self.rank = rank

    def on_epoch_end(self, state):
        if state.epoch == 2 and self.rank == 1:
            os._exit(9)


def refuse(frame_rows=100, **parameters):
    try:
        VAEAugmenter(max_iter=1, random_state=0, **parameters).fit(table()[0][:frame_rows])
    except VaeaugError as error:
        return str(error)
    return ""


def refuse_apart(folder, rank):
    """Return what is said where each process has a folder of its own."""
    own = Path(folder) / f"machine{rank}"
    own.mkdir()
    return refuse(checkpoint_dir=own)


def refuse_other_versions(rank):
    """Return what is said where one process has another numpy."""
    found, training_data.find_versions = training_data.find_versions, lambda *_, **__: {"numpy": "0.1"}
    if rank:
        training_data.find_versions = found
    try:
        return refuse()
    finally:
        training_data.find_versions = found


def tell_whether_the_group_is_left():
    print("still in the group" if torch.distributed.is_initialized() else "the group was left")


def main(task, folder):
    # What is registered first is called last.
    atexit.register(tell_whether_the_group_is_left)
    team = current_team()
    out = Path(folder) / f"{task}.{team.rank}"
    if task == "dies":
        trained(team, [Dies(team.rank)])
        return
    if task == "crowd":
        np.savez(f"{out}.npz", **streamed(folder, 1000))
        return
    found = {
        **{f"trained/{k}": v for k, v in trained(team).items()},
        **{f"exact/{k}": v for k, v in fitted_without_noise().items()},
        **{f"usual/{k}": v for k, v in fitted().items()},
        **{f"fair/{k}": v for k, v in streamed(folder, 37).items()},
        **{f"single/{k}": v for k, v in streamed(folder, 1000).items()},
    }
    kept = Path(folder) / "kept"
    VAEAugmenter(max_iter=2, random_state=0, device="cpu", checkpoint_dir=kept).fit(*table())
    messages = [refuse(100 + team.rank), refuse_apart(folder, team.rank)]
    messages.append(refuse_other_versions(team.rank))
    np.savez(f"{out}.npz", messages=messages, size=team.size, solo=Team().size, **found)


if __name__ == "__main__":
    main(*sys.argv[1:])
