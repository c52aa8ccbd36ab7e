"""The command line: ``vaeaug demo``, ``augment``, ``assess``, ``report`` and so on."""

from __future__ import annotations

import argparse
import os
import re
import sys
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from vaeaug.cli.options import check_table
from vaeaug.cli.parser import build_parser
from vaeaug.errors import ColumnNote, InputError, VaeaugError, VaeaugWarning
from vaeaug.utils.files import PARQUET, SEPARATORS, check_format, check_outputs, check_readable, name_kind
from vaeaug.utils.signals import Terminated, terminable

__all__ = ["main"]

#: How messages call parameters that the command line has options for.
_OPTIONS = {
    "relations: ": "--relation: ",
    "on_violation='keep'": "--on-violation keep",
    "report: target must": "--target must",
    "assess: scoring must": "--scoring must",
    "where: column": "--where: column",
    "where: no training row": "--where: no training row",
    "pass id_columns=[...], or None for none": "add --id COLUMN",
    "add rows of another class, or use sample()": "add rows of another class",
    "list them in categorical_features; None takes them for quantities": "add --category COLUMN",
    "list them in categorical_features; None takes them for what their dtype says": "add --category COLUMN",
    "more real rows, or ask for fewer new ones with sampling_strategy": "more rows, or add --strategy",
    "sampling_strategy": "--strategy",
    "list them in categorical_features": "add --category COLUMN",
    "transform, vary and interpolate have little to work with (samples are not affected)": (
        "variations of rows (--method posterior) and the sliders of vaeaug studio have little to work with; "
        "other new rows are not affected"
    ),
    "Lower beta, or check whether": "Check whether",
    "by max_fit_seconds=": "by --max-fit-seconds ",
    "y has classes": "The table has classes",
    "y has labels that fit has not seen": "The table has classes that the model has not seen",
    "X has columns": "The table has columns",
    "X has text": "The table has text",
    "occur in X": "occur in it",
}
#: Code in messages, as patterns, and what takes its place on the command line.
_CODE = {
    r'read the file with decimal=",", thousands="\."': 'add --decimal "," --thousands "."',
    r'read the file with (thousands|decimal)=(".")': r"add --\1 \2",
    r"take the signs off: X\[.*?\.astype\(float\)": "take the signs off in the file",
    r"convert it: X\[[^=]*\] = pd\.to_numeric\([^()]*errors='coerce'\), which leaves such texts missing": (
        "add --missing for such texts"
    ),
    r"convert it: X\[[^=]*\] = pd\.to_numeric\(.*?\)": "write numbers to the file",
    r"convert it: X\[([^=]*)\] = pd\.to_datetime\(.*?\)": r"add --parse-dates \1",
    r'try more, or "auto"\. Or lower beta, or check whether': "check whether",
    r"Take them out: X\.drop\(columns=\[.*?\]\)\.": "Take them out of the table.",
    r"write them alike first: y = y\.replace\(\{.*\}\)": "write them alike in the table first",
}


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
    options, unknown = _parser().parse_known_args(argv)
    if unknown:
        options.parser.refuse(unknown[0])
    debugging = bool(os.environ.get("VAEAUG_DEBUG"))
    try:
        with terminable(), warnings.catch_warnings():
            warnings.simplefilter("always", VaeaugWarning)  # _Notes says each once
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
    return build_parser(
        {
            "demo": _demo,
            "augment": _augment,
            "sample": _sample,
            "complete": _complete,
            "assess": _assess,
            "report": _report,
            "studio": _studio,
            "doctor": _doctor,
        }
    )


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
    _check_model(options.model)
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


def _complete(options: argparse.Namespace) -> None:
    _check_model(options.model)
    check_format(options.table)
    check_format(options.out)
    check_readable(options.table)
    check_outputs(options.table, options.out)
    from vaeaug.cli.complete import complete

    complete(options)


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
    _check_model(options.model)
    options.out = options.out or str(Path(options.model).with_suffix(".html").name)
    check_outputs(options.model, options.out)
    from vaeaug.cli.studio import studio

    studio(options)


def _doctor(options: argparse.Namespace) -> int:
    from vaeaug.cli.doctor import examine

    return examine()


def _check_model(path: str) -> None:
    check_readable(path, "the file of a fitted model")
    if Path(path).suffix.lower() in (*SEPARATORS, *PARQUET):
        raise InputError(
            f"{path} is a table; give the file of a fitted model, which 'vaeaug augment --model-out' writes."
        )


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
    for code, words in _CODE.items():
        text = re.sub(code, words, text)
    return text
