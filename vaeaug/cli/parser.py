"""The options of every command, in groups, and what ``--help`` says of them."""

from __future__ import annotations

import argparse
import re
import shutil
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NoReturn

from vaeaug import __version__
from vaeaug.cli.arguments import (
    parse_count,
    parse_device,
    parse_encoding,
    parse_jobs,
    parse_not_negative,
    parse_positive,
    parse_seed,
    parse_separator,
    parse_strategy,
)
from vaeaug.utils.wording import suggest

__all__ = ["build_parser"]

_ESTIMATORS = ("hgb", "logistic", "knn", "forest")
_METHODS = ("auto", "prior", "posterior", "interpolate")
_RELATION: dict[str, Any] = {
    "metavar": "RULE",
    "action": "append",
    "default": [],
    "help": "a rule that new rows keep: 'end >= start' *",
}


class _Help(argparse.RawDescriptionHelpFormatter):
    """Lists of options with short lines, on terminals of any width."""

    def __init__(self, prog: str) -> None:
        width = min(shutil.get_terminal_size().columns, 100) - 2
        super().__init__(prog, max_help_position=24, width=width)


class _Parser(argparse.ArgumentParser):
    """Says after an error where the options are listed, and what was probably meant."""

    def error(self, message: str) -> NoReturn:
        """Leave with the usage and the error."""
        self.print_usage(sys.stderr)
        self.exit(2, f"{self.prog}: error: {message}\n'{self.prog} --help' says what there is.\n")

    def refuse(self, argument: str) -> NoReturn:
        """Leave because of an argument that no option takes."""
        if not argument.startswith("-"):
            self.error(f"{argument!r} is one argument too many; quote names that hold spaces")
        known = re.findall(r"--[a-z][a-z-]*", self.format_help())
        self.error(f"there is no option {argument!r}.{suggest(argument.partition('=')[0], known)}")


def build_parser(run: Mapping[str, Callable[[argparse.Namespace], Any]]) -> argparse.ArgumentParser:
    """Return the parser of the command line.

    Parameters
    ----------
    run : mapping of str to callable
        What each command calls with the options.
    """
    parser = _Parser(
        prog="vaeaug",
        usage="vaeaug [-h] [--version] COMMAND ...",
        description="Synthetic rows for imbalanced tables, from a class-conditional VAE.",
        epilog=_examples("demo", "augment table.csv --target outcome -o more.csv")
        + "\n\n'vaeaug COMMAND --help' lists the options of a command.",
        formatter_class=_Help,
    )
    parser.add_argument("--version", action="version", version=f"vaeaug {__version__}")
    commands = parser.add_subparsers(title="commands", prog="vaeaug", metavar="COMMAND", required=True)
    _add_demo(commands)
    _add_augment(commands)
    _add_sample(commands)
    _add_complete(commands)
    _add_assess(commands)
    _add_report(commands)
    _add_studio(commands)
    _add_command(
        commands,
        "doctor",
        help="say what it runs on, and whether seeds give the same rows here",
        description="Print versions, processor, threads and precision, and whether 30 repeated draws\n"
        "from small models of a table and of images agree. Paste it into a report.\n"
        "It ends with 1 if they do not.",
        examples=["doctor"],
    )
    for name, command in commands.choices.items():
        command.set_defaults(command=run[name], parser=command)
    return parser


def _add_command(
    commands: Any, name: str, needed: str = "", *, description: str, help: str, examples: Sequence[str]
) -> argparse.ArgumentParser:
    """Add a command whose help begins with what it needs, and ends with examples."""
    parser: argparse.ArgumentParser = commands.add_parser(
        name,
        usage=f"vaeaug {name} {needed}{' ' * bool(needed)}[options]",
        help=help,
        description=description,
        epilog=_examples(*examples),
        formatter_class=_Help,
    )
    return parser


def _examples(*lines: str) -> str:
    return "\n".join(["examples:" if len(lines) > 1 else "example:", *(f"  vaeaug {line}" for line in lines)])


def _add_demo(commands: Any) -> None:
    parser = _add_command(
        commands,
        "demo",
        help="try it on real data: a before/after table, a page and pictures",
        description="Make the breast cancer data imbalanced, augment it, and compare classifiers\n"
        "trained without and with the new rows on an untouched test set.",
        examples=["demo", "demo --images -o digits"],
    )
    add = parser.add_argument
    add(
        "-o", "--out", metavar="FOLDER", default="vaeaug-demo", help="where to write (default: ./vaeaug-demo)"
    )
    add("--images", action="store_true", help="of handwritten digits instead of a table")
    _add_seed(parser, "of splits and models")


def _add_cells(parser: argparse.ArgumentParser) -> None:
    """Add the options that say how the cells of a table are read."""
    add = parser.add_argument_group("how tables are read (* may be given several times)").add_argument
    add("--parse-dates", metavar="COL", action="append", default=[], help="a column of dates *")
    add("--day-first", action="store_true", help="01/05/2024 is the first of May, where no cell tells")
    add("--missing", metavar="TEXT", action="append", default=[], help="a text that means 'missing' *")
    add("--sep", metavar="CHAR", type=parse_separator, help="between cells (default: a comma; in .tsv a tab)")
    add("--encoding", metavar="NAME", type=parse_encoding, help="of text, such as cp1252 (default: UTF-8)")
    add("--decimal", metavar="CHAR", choices=(".", ","), help="before the fraction of numbers: . or ,")
    add("--thousands", metavar="CHAR", type=parse_separator, help="between thousands: 1,234 or 1.234")


def _add_columns(parser: argparse.ArgumentParser) -> None:
    """Add the options that say what the columns of a table are, and which rules they keep."""
    add = parser.add_argument_group("what the columns are").add_argument
    add("--id", metavar="COL", action="append", default=[], help="a column that names each row *")
    # As the parameter is called.
    add("--id-columns", dest="id", action="append", default=[], help=argparse.SUPPRESS)
    add("--category", metavar="COL", action="append", default=[], help="a column of numbers that are codes *")
    add("--no-guessing", action="store_true", help="take columns for what their cells are")
    add("--relation", **_RELATION)
    add("--no-relations", action="store_true", help="look for no rules; keep those of --relation only")
    add(
        "--on-violation",
        metavar="WHAT",
        choices=("raise", "keep"),
        default="raise",
        help="rows of IN break a rule: raise (default), or keep",
    )


def _add_table(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("table", metavar="IN", help="a table: .csv, .tsv or .parquet")
    parser.add_argument("--target", metavar="NAME", required=True, help="the column that holds the class")


def _add_seed(parser: Any, what: str = "same seed, same rows") -> None:
    parser.add_argument("--seed", metavar="N", type=parse_seed, default=0, help=f"{what} (default: 0)")


def _add_device(parser: Any) -> None:
    parser.add_argument(
        "--device",
        metavar="NAME",
        type=parse_device,
        default="auto",
        help="auto (a GPU if there is one), cpu, cuda, ...",
    )


def _add_training(parser: argparse.ArgumentParser, seed: str = "same seed, same rows") -> None:
    """Add the options of a command that fits a model."""
    group = parser.add_argument_group("how it runs")
    _add_seed(group, seed)
    group.add_argument(
        "--max-fit-seconds", metavar="S", type=parse_positive, help="bound on the time of each training"
    )
    _add_device(group)
    group.add_argument("--verbose", action="store_true", help="show progress, also outside a terminal")


def _add_augment(commands: Any) -> None:
    parser = _add_command(
        commands,
        "augment",
        "IN --target NAME -o OUT",
        help="add synthetic rows of the minority classes to a table",
        description="Write the rows of IN as they are, then synthetic rows of the minority classes.",
        examples=[
            "augment table.csv --target outcome -o more.csv --flag-column synthetic",
            "augment table.csv --target y -o more.csv --relation 'end >= start'",
        ],
    )
    add = parser.add_argument
    _add_table(parser)
    add("-o", "--out", metavar="OUT", required=True, help="file to write; its suffix tells the format")
    add(
        "--strategy",
        metavar="S",
        type=parse_strategy,
        default="auto",
        help="rows: auto (balance), a ratio, or yes=500,maybe=300",
    )
    add("--method", metavar="M", choices=_METHODS, default="auto", help=f"{', '.join(_METHODS)}")
    add(
        "--flag-column",
        metavar="NAME",
        help="add a last column, such as synthetic, that is True for new rows",
    )
    add("--model-out", metavar="FILE", help="save the model too, for 'vaeaug sample'")
    _add_cells(parser)
    _add_columns(parser)
    _add_training(parser)


def _add_sample(commands: Any) -> None:
    parser = _add_command(
        commands,
        "sample",
        "MODEL -o OUT",
        help="draw synthetic rows from a saved model",
        description="Write rows from a model of 'vaeaug augment --model-out' or VAEAugmenter.save.\n"
        "Same --seed, same rows. Columns that name each row begin with the same new names\n"
        "in every call, also of augment.",
        examples=[
            "sample model.safetensors -n 1000 --label yes -o new.csv",
            "sample model.safetensors --where 'age >= 40' -o new.csv",
            "sample model.safetensors -n 1e9 -o rows/ --jobs 2",
        ],
    )
    add = parser.add_argument
    add("model", metavar="MODEL", help="a file of a fitted model")
    add("-o", "--out", metavar="OUT", required=True, help=".csv, .tsv or .parquet; or a folder to fill")
    add("-n", "--rows", metavar="N", type=parse_count, default=1000, help="how many (default: 1000)")
    add("--label", metavar="CLASS", help="the class of all rows (default: as in training)")
    add("--method", metavar="M", choices=_METHODS[1:], default="prior", help=f"{', '.join(_METHODS[1:])}")
    add(
        "--where",
        metavar="CONDITION",
        action="append",
        default=[],
        help="what rows meet: 'age >= 40', 'job in nurse, clerk', 'fee is missing'",
    )
    add(
        "--temperature",
        metavar="T",
        type=parse_not_negative,
        default=1.0,
        help="below 1: more typical rows (default: 1)",
    )
    _add_seed(parser)
    _add_device(parser)
    add = parser.add_argument_group(
        "a folder of Parquet files; after a stop, the same command goes on"
    ).add_argument
    add("--jobs", metavar="J", type=parse_jobs, help="processes that fill it; -1: all cores (default: 1)")
    add("--shard-size", metavar="ROWS", type=parse_count, help="rows per file (default: 4e6 / columns)")


def _add_complete(commands: Any) -> None:
    parser = _add_command(
        commands,
        "complete",
        "MODEL IN -o OUT",
        help="fill the missing cells of a table with a saved model",
        description="Write the rows of IN with their missing cells drawn given all the others. Other cells\n"
        "stay as they are. The class of a row counts too, if IN has the column of training.",
        examples=[
            "complete model.safetensors table.csv -o filled.csv",
            "complete model.safetensors table.csv -o filled.csv --column fee --column age",
        ],
    )
    add = parser.add_argument
    add("model", metavar="MODEL", help="a file of a fitted model")
    add("table", metavar="IN", help="a table: .csv, .tsv or .parquet")
    add("-o", "--out", metavar="OUT", required=True, help="file to write; its suffix tells the format")
    add("--column", metavar="COL", action="append", help="fill this column only *")
    # As the parameter is called.
    add("--columns", dest="column", action="append", help=argparse.SUPPRESS)
    add(
        "--draws",
        metavar="N",
        type=parse_count,
        default=1,
        help="how often each cell is drawn; above 1: files OUT-1, OUT-2, ... (default: 1)",
    )
    _add_seed(parser)
    _add_device(parser)
    _add_cells(parser)


def _add_assess(commands: Any) -> None:
    parser = _add_command(
        commands,
        "assess",
        "IN --target NAME",
        help="say whether synthetic rows help a classifier on a table",
        description="Cross-validate a classifier as it is, with class weights, a tuned threshold,\n"
        "copies, SMOTE (with imbalanced-learn) and synthetic rows; say what to use.",
        examples=["assess table.csv --target outcome --estimator knn -o verdict.html"],
    )
    add = parser.add_argument
    _add_table(parser)
    add(
        "--estimator",
        metavar="E",
        choices=_ESTIMATORS,
        default="hgb",
        help="hgb (boosted trees; default), logistic, knn or forest",
    )
    add("-o", "--out", metavar="PAGE", help="write the report as one HTML page")
    add("--csv", metavar="FILE", help="write the table of scores")
    add(
        "--scoring",
        metavar="M",
        help="average_precision (default), roc_auc, f1, ..., or a scorer of scikit-learn",
    )
    add("--folds", metavar="N", type=parse_count, default=5, help="of the cross-validation (default: 5)")
    add("--repeats", metavar="N", type=parse_count, help="of these folds (default: by the rows)")
    add("--jobs", metavar="N", type=parse_jobs, default=1, help="folds at a time; -1: all cores (default: 1)")
    add(
        "--max-seconds",
        metavar="S",
        type=parse_positive,
        help="use the folds that end in time, one at least",
    )
    _add_cells(parser)
    _add_columns(parser)
    _add_training(parser, "same seed, same numbers")


def _add_report(commands: Any) -> None:
    parser = _add_command(
        commands,
        "report",
        "REAL NEW",
        help="say how new rows, of any generator, compare with real ones",
        description="Compare the rows of NEW with those of REAL: columns, pairs of columns, rules\n"
        "between them, copies, use as training data. What stands out comes first.\n"
        "Real rows that NEW holds, as after augment, are left out.",
        examples=["report real.csv new.csv --target churn -o page.html"],
    )
    add = parser.add_argument
    add("real", metavar="REAL", help="the table that was learned from: .csv, .tsv or .parquet")
    add("new", metavar="NEW", help="the new rows, alone or after the real ones; any order of columns")
    add("--target", metavar="NAME", help="the column to predict; a class or a number")
    add("-o", "--out", metavar="PAGE", help="write the report as one HTML page")
    add(
        "--flag-column",
        metavar="NAME",
        help="the column of NEW that is True for new rows (default: synthetic, if NEW has it)",
    )
    add("--held-out", metavar="FILE", help="real rows that the generator has not seen, to test on")
    add("--id", metavar="COL", action="append", default=[], help="a column that names each row *")
    add("--relation", **_RELATION)
    _add_seed(parser, "same seed, same numbers")
    _add_cells(parser)


def _add_studio(commands: Any) -> None:
    parser = _add_command(
        commands,
        "studio",
        "MODEL",
        help="make a page with sliders over the codes of a saved model",
        description="Write one HTML page on which sliders walk through the latent space of a saved\n"
        "model of a table or of images. It needs no server and nothing from outside.",
        examples=["studio model.safetensors -o page.html"],
    )
    add = parser.add_argument
    add("model", metavar="MODEL", help="a file of a fitted model")
    add("-o", "--out", metavar="PAGE", help="file to write (default: MODEL with .html, here)")
    add("--steps", metavar="N", type=parse_count, default=11, help="stops of each slider (default: 11)")
    _add_device(parser)
