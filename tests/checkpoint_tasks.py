"""A fit that its process does not survive; run as ``python checkpoint_tasks.py KIND FOLDER EPOCH``."""

import os
import signal
import sys

from rank_tasks import table

import vaeaug.io.checkpoints
from vaeaug import Recipe, VAEAugmenter

#: What each kind of fit is like.
KINDS = {
    "flow": {"prior": Recipe("flow", width=16, depth=1), "max_iter": 5},
    "critic": {"losses": {"reconstruction": 1, "kl": 0.5, "factor": 1.0}, "max_iter": 5},
}


def fit(kind, folder=None, **parameters):
    model = VAEAugmenter(**KINDS[kind], random_state=0, device="cpu", checkpoint_dir=folder, **parameters)
    return model.fit(*table())


def kill_after(saves):
    """Let the process be killed when it has written so many states."""
    save, count = vaeaug.io.checkpoints.Stage.save, 0

    def counting(self, meta, arrays):
        nonlocal count
        save(self, meta, arrays)
        count += 1
        if count == saves:
            os.kill(os.getpid(), signal.SIGKILL)

    vaeaug.io.checkpoints.Stage.save = counting


if __name__ == "__main__":
    kind, folder, saves = sys.argv[1:]
    kill_after(int(saves))
    fit(kind, folder)
