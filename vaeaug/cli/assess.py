"""What ``vaeaug assess`` does."""

from __future__ import annotations

import sys
from argparse import Namespace
from contextlib import nullcontext

from vaeaug.assessing import assess as judge
from vaeaug.augmenter import VAEAugmenter
from vaeaug.cli.augment import column_options, note, open_table
from vaeaug.evaluation.assess.named_classifiers import learner
from vaeaug.sampler import VAEOverSampler
from vaeaug.utils.signals import interruptible
from vaeaug.utils.wording import count

__all__ = ["assess"]


def assess(options: Namespace) -> None:
    """Print the verdict on synthetic rows for a table and a classifier; write the report if asked for.

    Parameters
    ----------
    options : Namespace
        As the command line gives them.

    Raises
    ------
    InputError
        For files, columns and labels that cannot be used; then nothing was written.
    """
    table, X, y = open_table(options)
    for remark in table.notes:
        note(remark)
    print(
        f"Read {count(len(X), 'row')} and {count(X.shape[1], 'column')}; training and testing, this may take "
        "minutes ..."
    )
    augmenter = VAEAugmenter(
        **column_options(options), max_fit_seconds=options.max_fit_seconds, device=options.device
    )
    # Processes of their own for the folds cannot hear Ctrl-C as one process does; joblib ends them itself.
    with interruptible() if options.jobs == 1 else nullcontext():
        found = judge(
            learner(options.estimator, X),
            X,
            y,
            sampler=VAEOverSampler(augmenter),
            scoring=options.scoring,
            cv=options.folds,
            n_repeats=options.repeats or "auto",
            n_jobs=options.jobs,
            random_state=options.seed,
            verbose=options.verbose or sys.stderr.isatty(),
        )
    print("\n" + found.summary())
    if options.out:
        found.to_html(options.out)
        print(f"\nWrote {options.out}: the report as one page; open it in a browser")
    if options.csv:
        found.to_csv(options.csv)
        print(f"Wrote {options.csv}: the table")
