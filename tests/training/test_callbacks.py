"""The progress bar is shown, moved and closed; tqdm is only imported for it."""

import io

from vaeaug.training.callbacks import Callback, DurationNote, EpochState, ProgressBar


def state(epoch):
    record = {"epoch": epoch, "seconds": 1.0, "train_loss": 0.5, "valid_loss": 0.25, "train_kl": 3.0}
    return EpochState(epoch, 4, epoch / 4, record)


def test_the_bar_shows_epochs_and_losses():
    out = io.StringIO()
    with ProgressBar("fit", file=out, mininterval=0) as bar:
        bar.on_begin(4)
        assert "0/4" in out.getvalue()  # before the first epoch has ended
        assert not bar.on_epoch_end(state(1))
        bar.on_epoch_end(state(3))
    text = out.getvalue()
    assert "fit" in text
    assert "3/4" in text
    assert "train_loss=0.5, valid_loss=0.25" in text
    assert "kl" not in text


def test_the_bar_of_a_run_bounded_in_time_ends_with_the_time():
    out = io.StringIO()
    with ProgressBar("fit", file=out, mininterval=0) as bar:
        bar.on_begin(100)
        bar.on_epoch_end(EpochState(2, 100, 0.5, {"seconds": 1.0}))
        assert "2/4" in out.getvalue()
        bar.on_epoch_end(EpochState(4, 100, 1.0, {"seconds": 2.0}))
    assert "4/4" in out.getvalue()


def test_a_bar_that_saw_nothing_shows_nothing():
    out = io.StringIO()
    with ProgressBar(file=out):
        pass
    assert out.getvalue() == ""


def test_the_bar_is_a_callback():
    assert isinstance(ProgressBar(), Callback)


def tell(*steps, share=1.0):
    """Return what is said after steps of (seconds, progress)."""
    said = []
    note = DurationNote(said.append, share)
    for seconds, progress in steps:
        note.on_step(seconds, progress)
    return said


def test_long_training_is_announced_once():
    said = tell((0.5, 0.01), (1.5, 0.03), (3.0, 0.06))
    assert len(said) == 1
    assert said[0].startswith("Training will take up to about 50 seconds; max_fit_seconds bounds it")


def test_what_follows_the_training_is_counted():
    assert "63 seconds" in tell((0.5, 0.01), (1.5, 0.03), (3.0, 0.06), share=0.8)[0]


def test_a_slow_first_step_does_not_count_for_the_others():
    assert "42 seconds" in tell((2.4, 0.01), (3.6, 0.04))[0]


def test_short_training_is_not_announced():
    assert not tell((1.5, 0.5), (3.0, 1.0))


def test_nothing_is_said_before_it_can_be_known():
    assert not tell((0.5, 0.001))
