"""Fill in the pages of this folder: templates of Jinja2, one stylesheet, and the script of the studio."""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from typing import Any

from jinja2 import Environment, FunctionLoader

__all__ = ["read_asset", "render"]


def render(template: str, **values: Any) -> str:
    """Return a template filled in; text is escaped, so that markup in it is shown as it is.

    Examples
    --------
    >>> from vaeaug.reports.pages import render
    >>> render("text.html", title="A < B", paragraphs=["So it is."])
    '<section><h2>A &lt; B</h2><p>So it is.</p></section>'
    """
    return _environment().get_template(template).render(**values)


@cache
def read_asset(name: str) -> str:
    """Return the text of a file beside the templates, such as the stylesheet."""
    return files("vaeaug.reports").joinpath("templates", name).read_text(encoding="utf-8")


@cache
def _environment() -> Environment:
    found = Environment(
        loader=FunctionLoader(read_asset), autoescape=True, trim_blocks=True, lstrip_blocks=True
    )
    found.globals["read_asset"] = read_asset
    return found
