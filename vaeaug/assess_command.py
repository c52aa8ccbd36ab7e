"""What ``vaeaug assess`` does."""

from __future__ import annotations

from argparse import Namespace
from contextlib import nullcontext

from vaeaug.assessing import assess as judge
from vaeaug.augmenter import VAEAugmenter
from vaeaug.commands import check_outputs, interruptible, note
from vaeaug.errors import InputError
from vaeaug.learners import learner
from vaeaug.sampler import VAEOverSampler
from vaeaug.tablefiles import read_table, shortened

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
    check_outputs(options.table, options.out, options.csv)
    table = read_table(
        options.table, parse_dates=options.parse_dates, missing=options.missing, separator=options.sep
    )
    names = list(table.frame.columns)
    if options.target not in names:
        raise InputError(f"{options.table} has no column {options.target!r}; it has {shortened(names)}.")
    if len(names) < 2 or not len(table.frame):
        raise InputError(f"{options.table} must have rows, and a column besides {options.target!r}.")
    for remark in table.notes:
        note(remark)
    X, y = table.frame.drop(columns=[options.target]), table.frame[options.target]
    print(f"Read {len(X):,} rows and {X.shape[1]} columns; training and testing, this may take minutes ...")
    augmenter = VAEAugmenter(max_fit_seconds=options.max_fit_seconds, device=options.device)
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
            verbose=options.verbose,
        )
    print("\n" + found.summary())
    if options.out:
        found.to_html(options.out)
        print(f"\nWrote {options.out}: the report as one page; open it in a browser")
    if options.csv:
        found.to_csv(options.csv)
        print(f"Wrote {options.csv}: the table")
