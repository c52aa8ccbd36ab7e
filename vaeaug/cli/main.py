"""The command line: ``vaeaug demo``, ``augment``, ``assess``, ``report`` and so on."""

from __future__ import annotations

import argparse
import math
import os
import re
import sys
import warnings
from collections.abc import Callable, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

from vaeaug import __version__
from vaeaug.cli.options import check_table
from vaeaug.errors import ColumnNote, InputError, VaeaugError, VaeaugWarning
from vaeaug.io.csv import check_encoding
from vaeaug.utils.files import check_format, check_outputs, check_readable, name_kind
from vaeaug.utils.signals import Terminated, terminable

__all__ = ["main"]

_STRATEGIES = ("auto", "minority", "not minority", "not majority", "all")
_ESTIMATORS = ("hgb", "logistic", "knn", "forest")
_METHODS = ("auto", "prior", "posterior", "interpolate")
#: How messages call parameters that the command line has options for.
_OPTIONS = {
    "relations: ": "--relation: ",
    "on_violation='keep'": "--on-violation keep",
    "pass id_columns=[...], or None for none": "add --id COLUMN",
    "list them in categorical_features; None takes them for quantities": "add --category COLUMN",
    "list them in categorical_features; None takes them for what their dtype says": "add --category COLUMN",
    "X has columns": "The table has columns",
    "occur in X": "occur in it",
}
_EPILOG = """\
Cells are never changed: the rows of IN are written with the characters they had, also cells that begin
with =, +, - or @, which a spreadsheet program may run as a formula (a note says so). Text files have
their names in the first line; .parquet needs: pip install vaeaug[parquet]
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line.

    Parameters
    ----------
    argv : sequence of str, optional
        Arguments without the name of the program; by default those of the process.

    Returns
    -------
    int
        0 when all went well, 1 after an error (one sentence on stderr; no table was written), 130 after
        Ctrl-C, 143 after SIGTERM. Wrong usage leaves with ``SystemExit(2)``.
    """
    options = _parser().parse_args(argv)
    debugging = bool(os.environ.get("VAEAUG_DEBUG"))
    try:
        with terminable(), warnings.catch_warnings():
            warnings.simplefilter("default", VaeaugWarning)
            if not debugging:
                warnings.showwarning = _Notes().show
            return int(options.command(options) or 0)
    except KeyboardInterrupt as stop:
        _say(f"interrupted; {stop if stop.args else 'no table was written'}")
        return 130
    except Terminated as stop:
        _say(f"ended by signal {stop.number}; {stop.hint or 'no table was written'}")
        return 128 + stop.number
    except BrokenPipeError:  # the reader of our output has gone, which is its right
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except Exception as error:
        if debugging:
            raise
        _say(f"error: {_sentence(error)}")
        return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="vaeaug",
        description="Synthetic rows for imbalanced tables, from a class-conditional variational autoencoder.",
    )
    parser.add_argument("--version", action="version", version=f"vaeaug {__version__}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    _add_demo(commands)
    _add_augment(commands)
    _add_sample(commands)
    _add_assess(commands)
    _add_report(commands)
    _add_studio(commands)
    commands.add_parser(
        "doctor",
        help="say what it runs on, and whether the same seed gives the same rows here",
        description="Print versions, processor, threads and precision, and whether 30 repeated draws from "
        "small models of a table and of images agree. Paste it into a report. It ends with 1 if they do not.",
    ).set_defaults(command=_doctor)
    return parser


def _add_demo(commands: Any) -> None:
    parser = commands.add_parser(
        "demo",
        help="try it on real data, made imbalanced: a before/after table, a report page and pictures",
        description="Make the breast cancer data imbalanced, augment it, and compare classifiers trained "
        "without and with the new rows on an untouched test set.",
    )
    parser.add_argument(
        "-o", "--out", metavar="FOLDER", default="vaeaug-demo", help="where to write (default: ./vaeaug-demo)"
    )
    parser.add_argument("--images", action="store_true", help="of handwritten digits instead of a table")
    _add_seed(parser, "of splits and models")
    parser.set_defaults(command=_demo)


def _add_cells(parser: argparse.ArgumentParser) -> None:
    """Add the options that say how the cells of a table are read."""
    add = parser.add_argument
    add("--parse-dates", metavar="COL", action="append", default=[], help="a column of dates; repeatable")
    add("--missing", metavar="TEXT", action="append", default=[], help="text for 'missing'; repeatable")
    add("--sep", metavar="CHAR", type=_separator, help="between cells (default: a comma, in .tsv a tab)")
    add("--encoding", metavar="NAME", type=_encoding, help="of text, such as cp1252 (default: UTF-8)")
    add(
        "--decimal",
        metavar="CHAR",
        choices=(".", ","),
        help="before the fraction of numbers: . or , (default: a point; where cells are not separated by "
        "commas, also a comma in columns that cannot be meant otherwise)",
    )


def _add_reading(parser: argparse.ArgumentParser) -> None:
    """Add the options that say how a table is read, and what its columns are."""
    _add_cells(parser)
    add = parser.add_argument
    add("--id", metavar="COL", action="append", default=[], help="a column that names each row; repeatable")
    add("--category", metavar="COL", action="append", default=[], help="numbers that are codes; repeatable")
    add(
        "--no-guessing",
        action="store_true",
        help="take columns for what their cells are; do not look for names of rows, codes, dates as numbers",
    )
    add(
        "--relation",
        metavar="TEXT",
        action="append",
        default=[],
        help="a rule between columns that new rows keep: 'end >= start', 'total == net + tax', "
        "'city -> state', \"smoker == 'no' implies years == 0\"; a name with spaces in backticks, as in "
        "'`end date` >= start'; repeatable",
    )
    add(
        "--on-violation",
        choices=("raise", "keep"),
        default="raise",
        help="when rows of IN break a rule of --relation: end with an error (raise; the default), or let "
        "new rows break it as often (keep)",
    )
    add("--no-relations", action="store_true", help="look for no rules; keep those of --relation only")


def _add_table(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("table", metavar="IN", help="a table: .csv, .tsv or .parquet")
    parser.add_argument("--target", metavar="NAME", required=True, help="the column that holds the class")


def _add_seed(parser: argparse.ArgumentParser, what: str = "same seed, same rows") -> None:
    parser.add_argument("--seed", type=_seed, default=0, help=f"{what} (default: 0)")


def _add_device(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--device",
        type=_device,
        default="auto",
        help="auto (a GPU when there is one; the default), cpu, cuda, ...",
    )


def _add_augment(commands: Any) -> None:
    parser = commands.add_parser(
        "augment",
        help="add synthetic rows of the minority classes to a table",
        description="Write the rows of IN, followed by synthetic rows of the minority classes, to OUT.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    _add_table(parser)
    add("-o", "--out", metavar="OUT", required=True, help="file to write; its suffix tells the format")
    add(
        "--strategy",
        metavar="S",
        type=_strategy,
        default="auto",
        help="how many rows to add: auto (every class as large as the largest; the default), minority, "
        "'not minority', 'not majority', all, a ratio such as 0.5 (minority / majority, two classes), or the "
        "rows of each class afterwards: yes=500,maybe=300",
    )
    add("--method", choices=_METHODS, default="auto", help="how rows are made (default: auto)")
    add("--flag-column", metavar="NAME", help="add a last column that is True for new rows")
    add("--model-out", metavar="FILE", help="save the fitted model too, for 'vaeaug sample'")
    _add_reading(parser)
    _add_seed(parser)
    add("--max-fit-seconds", metavar="S", type=_positive, help="bound on the time of training")
    _add_device(parser)
    add("--verbose", action="store_true", help="show progress, also where it is not a terminal")
    parser.set_defaults(command=_augment)


def _add_sample(commands: Any) -> None:
    parser = commands.add_parser(
        "sample",
        help="draw synthetic rows from a saved model",
        description="Write synthetic rows from a model that 'vaeaug augment --model-out' or "
        "VAEAugmenter.save wrote.",
    )
    add = parser.add_argument
    add("model", metavar="MODEL", help="a file of a fitted model")
    add(
        "-n",
        "--rows",
        metavar="N",
        type=_count,
        default=1000,
        help="number of rows, also 1e9 (default: 1000)",
    )
    add(
        "-o",
        "--out",
        metavar="OUT",
        required=True,
        help="file to write: .csv, .tsv or .parquet; or a folder, without a suffix or with a slash at the "
        "end, to be filled with Parquet files by any number of processes and gone on with after a stop",
    )
    add("--label", help="the class of all rows (default: as frequent as in training)")
    add("--method", choices=_METHODS[1:], default="prior", help="how rows are made (default: prior)")
    add("--temperature", type=_positive_or_zero, default=1.0, help="below 1: more typical rows (default: 1)")
    add("--jobs", metavar="J", type=_jobs, help="processes that fill a folder; -1: all cores (default: 1)")
    add(
        "--shard-size", metavar="ROWS", type=_count, help="rows per file of a folder (default: 4e6 / columns)"
    )
    _add_seed(parser)
    _add_device(parser)
    parser.set_defaults(command=_sample)


def _add_assess(commands: Any) -> None:
    parser = commands.add_parser(
        "assess",
        help="say whether synthetic rows help a classifier on a table",
        description="Cross-validate a classifier on IN as it is, with class weights, a tuned threshold, "
        "copies, SMOTE (where imbalanced-learn is installed) and synthetic rows, and say what to use.",
    )
    add = parser.add_argument
    _add_table(parser)
    add(
        "--estimator",
        choices=_ESTIMATORS,
        default="hgb",
        help="gradient boosting (hgb, the default), logistic regression, nearest neighbours, random forest",
    )
    add("-o", "--out", metavar="PAGE", help="write the report as one HTML page")
    add("--csv", metavar="FILE", help="write the table of scores")
    add(
        "--scoring",
        metavar="M",
        help="what the verdict is about: average_precision (the default), roc_auc, balanced_accuracy, f1, "
        "tuned_f1, log_loss, brier, or a scorer of scikit-learn",
    )
    add("--folds", metavar="N", type=_count, default=5, help="of the cross-validation (default: 5)")
    add("--repeats", metavar="N", type=_count, help="of these folds (default: by the rows)")
    add(
        "--jobs",
        metavar="N",
        type=_jobs,
        default=1,
        help="folds at the same time; -1: all cores (default: 1)",
    )
    _add_reading(parser)
    _add_seed(parser, "same seed, same numbers")
    add("--max-fit-seconds", metavar="S", type=_positive, help="bound on the time of each fit of the model")
    _add_device(parser)
    add("--verbose", action="store_true", help="show progress, also where it is not a terminal")
    parser.set_defaults(command=_assess)


def _add_report(commands: Any) -> None:
    parser = commands.add_parser(
        "report",
        help="say how new rows, of any generator, compare with real ones",
        description="Compare the rows of NEW with those of REAL: columns, pairs of columns, rules between "
        "them, copies, use as training data. What stands out comes first.",
        epilog="Example: vaeaug report real.csv new.csv --target churn -o page.html",
    )
    add = parser.add_argument
    add("real", metavar="REAL", help="the table that was learned from: .csv, .tsv or .parquet")
    add("new", metavar="NEW", help="the new rows, without the real ones; the same columns in any order")
    add("--target", metavar="NAME", help="the column to predict; a class or a number")
    add("-o", "--out", metavar="PAGE", help="write the report as one HTML page")
    add("--held-out", metavar="FILE", help="real rows that the generator has not seen, to test on")
    add("--id", metavar="COL", action="append", default=[], help="a column that names each row; repeatable")
    _add_cells(parser)
    _add_seed(parser, "same seed, same numbers")
    parser.set_defaults(command=_report)


def _add_studio(commands: Any) -> None:
    parser = commands.add_parser(
        "studio",
        help="make a page with sliders over the codes of a saved model",
        description="Write one HTML page on which sliders walk through the latent space of a saved model of "
        "a table or of images. It needs no server and nothing from outside.",
    )
    add = parser.add_argument
    add("model", metavar="MODEL", help="a file of a fitted model")
    add("-o", "--out", metavar="PAGE", help="file to write (default: MODEL with the suffix .html, here)")
    add("--steps", metavar="N", type=_count, default=11, help="stops of each slider (default: 11)")
    _add_device(parser)
    parser.set_defaults(command=_studio)


# What can be checked quickly is checked before the imports in here, which take seconds.


def _demo(options: argparse.Namespace) -> None:
    _check_folder(options.out)
    if options.images:
        from vaeaug.cli.demo_images import run
    else:
        from vaeaug.cli.demo import run
    run(options.out, seed=options.seed)


def _augment(options: argparse.Namespace) -> None:
    check_format(options.out)
    check_table(options, options.out, options.model_out)
    from vaeaug.cli.augment import augment

    augment(options)


def _sample(options: argparse.Namespace) -> None:
    check_readable(options.model, "the file of a fitted model")
    # A folder is one that is there, or a name without the suffix of a file.
    out = options.out
    options.is_folder = os.path.isdir(out) or out.endswith(("/", os.sep)) or not os.path.splitext(out)[1]
    if options.is_folder:
        _check_folder(out)
    else:
        for name in ("jobs", "shard_size"):
            if getattr(options, name) is not None:
                raise InputError(
                    f"--{name.replace('_', '-')} is for a folder of files, and {out} is one file; give a "
                    "folder with -o, such as rows/."
                )
        check_format(out)
        check_outputs(options.model, out)
    from vaeaug.cli.augment import sample

    sample(options)


def _assess(options: argparse.Namespace) -> None:
    check_table(options, options.out, options.csv)
    from vaeaug.cli.assess import assess

    assess(options)


def _report(options: argparse.Namespace) -> None:
    for path in filter(None, (options.real, options.new, options.held_out)):
        check_format(path)
        check_readable(path)
        check_outputs(path, options.out)
    from vaeaug.cli.report import report

    report(options)


def _studio(options: argparse.Namespace) -> None:
    check_readable(options.model, "the file of a fitted model")
    options.out = options.out or str(Path(options.model).with_suffix(".html").name)
    check_outputs(options.model, options.out)
    from vaeaug.cli.studio import studio

    studio(options)


def _doctor(options: argparse.Namespace) -> int:
    from vaeaug.cli.doctor import examine

    return examine()


def _check_folder(path: str) -> None:
    kind = name_kind(path.rstrip("/" + os.sep) or path)
    if kind not in (None, "a folder"):
        raise InputError(f"{path} cannot be made a folder: it is {kind}; give another name.")


def _sentence(error: Exception) -> str:
    """Return what went wrong in one line, and below it the place in a text, where the error shows one."""
    text, *place = str(error).split("\n    ")
    text = " ".join(text.split())
    if isinstance(error, VaeaugError):
        return "\n    ".join([_name_options(text), *place])
    if isinstance(error, OSError):
        name = f"{error.filename}: " if error.filename else ""
        return f"{name}{error.strerror or text}"
    return f"{type(error).__name__}: {text or 'no message'} (set VAEAUG_DEBUG=1 to see where)"


def _say(text: str) -> None:
    print(f"vaeaug: {text}", file=sys.stderr)


class _Notes:
    """Warnings as notes, each of them once: every fold of ``assess`` meets the same columns."""

    def __init__(self) -> None:
        self.said: set[str] = set()

    def show(self, message: Warning | str, category: type[Warning], *_: Any, **__: Any) -> None:
        text = _name_options(" ".join(str(message).split()))
        if issubclass(category, ColumnNote):
            text += " With --no-guessing, columns are taken for what their cells say."
        if text not in self.said:
            self.said.add(text)
            _say(f"note: {text}")


def _name_options(text: str) -> str:
    """Return a message with the options of the command line in the place of parameters."""
    for parameter, option in _OPTIONS.items():
        text = text.replace(parameter, option)
    return text


# -- types of arguments ----------------------------------------------------------------------------------


def _strategy(text: str) -> str | float | dict[str, int]:
    if text in _STRATEGIES:
        return text
    if "=" in text:
        pairs = [pair.rpartition("=") for pair in text.split(",")]
        if all(label and rows.strip().isdigit() for label, _, rows in pairs):
            return {label.strip(): int(rows) for label, _, rows in pairs}
    try:
        return float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"{text!r} is none of {', '.join(_STRATEGIES)}, a ratio such as 0.5, or yes=500,maybe=300"
        ) from None


def _read(text: str, kind: Callable[[str], Any], is_allowed: Callable[[Any], bool], what: str) -> Any:
    try:
        value = kind(text)
        if is_allowed(value):
            return value
    except (ValueError, ArithmeticError):
        pass
    raise argparse.ArgumentTypeError(f"{text!r} is not {what}")


def _seed(text: str) -> int:
    return int(_read(text, int, lambda value: 0 <= value < 2**32, "a whole number from 0 to 4294967295"))


def _count(text: str) -> int:
    # Decimals are exact, so that 1e9 is a billion and 1.5 is refused.
    is_whole = lambda value: value.is_finite() and value >= 1 and value == int(value)  # noqa: E731
    return int(_read(text, Decimal, is_whole, "a whole number of 1 or more"))


def _jobs(text: str) -> int:
    return int(
        _read(text, int, lambda value: value >= 1 or value == -1, "a whole number of 1 or more, or -1")
    )


def _positive(text: str) -> float:
    return float(_read(text, float, lambda value: 0 < value < math.inf, "a number above 0"))


def _positive_or_zero(text: str) -> float:
    return float(_read(text, float, lambda value: 0 <= value < math.inf, "a number of 0 or more"))


def _separator(text: str) -> str:
    separator = text.encode().decode("unicode_escape") if text.startswith("\\") else text
    if len(separator) != 1 or separator in '"\r\n':
        raise argparse.ArgumentTypeError(f"{text!r} is not one character that can separate cells")
    return separator


def _encoding(text: str) -> str:
    try:
        return check_encoding(text)
    except InputError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _device(text: str) -> str:
    if not re.fullmatch(r"[a-z]+(:\d+)?", text):
        raise argparse.ArgumentTypeError(f"{text!r} is none of auto, cpu, cuda, cuda:0, ...")
    return text
