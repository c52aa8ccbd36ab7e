"""What ``vaeaug assess`` does."""

from __future__ import annotations

import sys
from argparse import Namespace
from time import perf_counter

from vaeaug.assessing import run_assessment as judge
from vaeaug.augmenter import VAEAugmenter
from vaeaug.cli.augment import column_options, note, open_table
from vaeaug.cli.pasting import write_reading
from vaeaug.evaluation.assess.comparison import Options
from vaeaug.sampler import VAEOverSampler
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
    began = perf_counter()
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
    found = judge(
        options.estimator,
        X,
        y,
        VAEOverSampler(augmenter),
        Options(
            scoring=options.scoring,
            cv=options.folds,
            n_repeats=options.repeats or "auto",
            n_jobs=options.jobs,
            random_state=options.seed,
            verbose=options.verbose or sys.stderr.isatty(),
            max_seconds=options.max_seconds,
            announce=lambda text: note(_name_options(text)),
            reading=write_reading(options, table),
            began=began,
        ),
    )
    # Files first: a reader such as head may close the output early.
    if options.out:
        found.to_html(options.out)
    if options.csv:
        found.to_csv(options.csv)
    print("\n" + _name_options(found.summary()))
    print(f"\nWhat to do next, in Python:\n\n{found.code}")
    if options.out:
        print(f"\nWrote {options.out}: the report as one page; open it in a browser")
    if options.csv:
        print(f"Wrote {options.csv}: the table")


def _name_options(text: str) -> str:
    """Return a text with options in the place of parameters."""
    text = text.replace("max_seconds=", "--max-seconds ").replace("max_seconds", "--max-seconds")
    return text.replace("fewer folds or ratios shorten it", "a lower --folds shortens it")
