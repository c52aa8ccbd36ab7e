"""The progress bar is shown, moved and closed; tqdm is only imported for it."""

import io

from vaeaug.training.callbacks import Callback, EpochState, ProgressBar


def state(epoch):
    record = {"epoch": epoch, "seconds": 1.0, "train_loss": 0.5, "valid_loss": 0.25, "train_kl": 3.0}
    return EpochState(epoch, 4, epoch / 4, record)


def test_the_bar_shows_epochs_and_losses():
    out = io.StringIO()
    with ProgressBar("fit", file=out, mininterval=0) as bar:
        assert not bar.on_epoch_end(state(1))
        bar.on_epoch_end(state(3))
    text = out.getvalue()
    assert "fit" in text
    assert "3/4" in text
    assert "train_loss=0.5, valid_loss=0.25" in text
    assert "kl" not in text


def test_a_bar_that_saw_nothing_shows_nothing():
    out = io.StringIO()
    with ProgressBar(file=out):
        pass
    assert out.getvalue() == ""


def test_the_bar_is_a_callback():
    assert isinstance(ProgressBar(), Callback)
