"""The documentation site: its code runs, it names everything public, and its two tools do their work.

Sphinx itself is not needed here; ``.ci/run`` builds the site.
"""

import doctest
import importlib
import inspect
import re
import shlex
import textwrap
import tomllib
from pathlib import Path

import pytest
from made_snippets import ROOT, find_strangers, name_snippet, run_snippet

import vaeaug
from vaeaug.cli.main import _parser

SITE = ROOT / "examples" / "site"
PAGES = [SITE / "index.rst", SITE / "start.rst", *sorted((SITE / "guide").glob("*.rst"))]
API = "\n".join(path.read_text(encoding="utf-8") for path in (SITE / "api").glob("*.rst"))
PUBLIC = ["vaeaug", "relations", "evaluation", "filtering", "plotting", "errors"]
PUBLIC += [f"integrations.{name}" for name in ("torch", "torchvision", "albumentations", "imputer")]


def find_blocks(page: Path, language: str) -> list[tuple[str, str]]:
    """Return the code of a page in one language, with the text that stands before it."""
    text = page.read_text(encoding="utf-8")
    pattern = rf"^\.\. code-block:: {language}\n\n((?:    .*\n|\n)+)"
    return [
        (textwrap.dedent(found[1]), text[: found.start()])
        for found in re.finditer(pattern, text, re.MULTILINE)
    ]


BLOCKS = [
    pytest.param(code, before, id=f"{page.stem}: {name_snippet(code)}")
    for page in PAGES
    for code, before in find_blocks(page, "python")
]


@pytest.fixture
def load(monkeypatch):
    """Import the tools of the site as Sphinx does, from their own folder."""
    monkeypatch.syspath_prepend(str(SITE))
    return importlib.import_module


@pytest.mark.slow  # a fit each, some with cross-validation
@pytest.mark.parametrize(("code", "before"), BLOCKS)
def test_each_block_of_the_guide_runs_on_its_own(code, before, tmp_path, monkeypatch):
    run_snippet(code, tmp_path, monkeypatch)


@pytest.mark.parametrize(("code", "before"), BLOCKS)
def test_what_a_block_needs_besides_the_install_is_said_before_it(code, before):
    packages = {"imblearn": "imbalanced-learn"}
    for name in find_strangers(code):
        assert f"pip install {packages.get(name, name)}" in before


def test_the_command_lines_are_valid():
    lines = [
        line
        for page in PAGES
        for code, _ in find_blocks(page, "text")
        for line in code.splitlines()
        if re.match(r"vaeaug (?!demo)", line)
    ]
    assert len(lines) >= 5
    for line in lines:
        _parser().parse_args(shlex.split(line)[1:])


@pytest.mark.parametrize("module", PUBLIC)
def test_every_public_name_is_in_the_reference(module):
    path = module if module == "vaeaug" else f"vaeaug.{module}"
    root = set(importlib.import_module("vaeaug").__all__)
    for name in importlib.import_module(path).__all__:
        written = name if module == "vaeaug" or name in root else f"{module}.{name}"
        assert re.search(rf"^    {re.escape(written)}$|^\.\. py:data:: vaeaug\.{name}$", API, re.MULTILINE), (
            name
        )


def test_what_the_reference_names_is_there():
    for written in re.findall(r"^    ([\w.]*\w)$", API.replace(":toctree: generated/", ""), re.MULTILINE):
        if (SITE / "api" / f"{written}.rst").exists():
            continue
        module, _, name = f"vaeaug.{written}".rpartition(".")
        assert hasattr(importlib.import_module(module), name), written


def list_documented() -> list:
    """Return the functions and classes of the reference, and the methods of the augmenter."""
    found = {}
    for written in re.findall(r"^    ([\w.]*\w)$", API.replace(":toctree: generated/", ""), re.MULTILINE):
        module, _, name = f"vaeaug.{written}".rpartition(".")
        if not (SITE / "api" / f"{written}.rst").exists():
            found[written] = getattr(importlib.import_module(module), name)
    methods = {
        f"VAEAugmenter.{name}": each for name, each in vars(vaeaug.VAEAugmenter).items() if name[0] != "_"
    }
    return [
        pytest.param(thing, id=name)
        for name, thing in (found | methods).items()
        if inspect.isclass(thing) or inspect.isfunction(thing)
    ]


@pytest.mark.parametrize("thing", list_documented())
def test_every_public_name_has_an_example(thing):
    assert ">>> " in inspect.getdoc(thing)


def test_the_examples_of_the_reference_run():
    failed, tried = doctest.testfile(str(SITE / "api" / "library.rst"), module_relative=False)
    assert tried
    assert not failed


def test_the_licence_of_every_dependency_is_listed():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    page = (SITE / "licences.rst").read_text(encoding="utf-8")
    listed = re.findall(r"^    \* - ([\w-]+)", page, re.MULTILINE)[1:]
    needed = project["dependencies"] + project["optional-dependencies"]["parquet"]
    assert sorted(listed) == sorted(re.match(r"[\w-]+", each)[0] for each in needed)


def test_every_example_has_a_title():
    for script in (ROOT / "examples").glob("*.py"):
        title, line = script.read_text(encoding="utf-8").removeprefix('"""').splitlines()[:2]
        assert line == "=" * len(title), script


# --- pages of benchmarks ---------------------------------------------------------------------


def test_markdown_becomes_restructuredtext(load):
    markdown = """# A *title*
<!-- a comment -->
Words with `code`, **strong words** and a [link](other.md#place), 3 * 4 <a id="here"></a>|x|
that go on.
- one
  and more
- two

```
$ run  # this
```

| name | a | b |
|---|--:|--:|
| `x \\| y` | 1 |  |
"""
    link = lambda words, target: f"<{words}: {target}>"  # noqa: E731
    assert load("markdown_pages").convert_page(markdown, link).split("\n\n") == [
        "A \\ *title*\n===========",
        "Words with \\ ``code``\\ , \\ **strong words**\\  and a \\ <link: other.md#place>\\ , "
        "3 \\* 4 \\|x\\| that go on.",
        "- one and more",
        "- two",
        ".. code-block:: text",
        "    $ run  # this",
        ".. list-table::\n    :header-rows: 1\n    :class: numbers-from-2",
        "    * - name\n      - a\n      - b\n    * - ``x | y``\n      - 1\n      -\n",
    ]


@pytest.mark.parametrize("page", sorted((ROOT / "benchmarks").glob("*.md")), ids=lambda page: page.stem)
def test_no_row_of_a_benchmark_page_is_lost(load, page):
    text = page.read_text(encoding="utf-8")
    rows = [line for line in text.splitlines() if line.startswith("|") and not re.match(r"\|[-:|]+$", line)]
    converted = load("markdown_pages").convert_page(text, lambda words, target: words)
    assert len(re.findall(r"^    \* -", converted, re.MULTILINE)) == len(rows)


# --- links ----------------------------------------------------------------------------------


def test_dead_links_are_found(load, tmp_path):
    (tmp_path / "a.html").write_text(
        '<p id="here"></p><a href="b.html#there">1</a><a href="#here">2</a><a href="https://x.org/y">3</a>'
        '<a href="#nowhere">4</a><a href="c.html">5</a><img src="no.png">'
    )
    (tmp_path / "b.html").write_text('<h1 id="there"></h1><a href="a.html#gone">6</a>')
    assert load("check_links").find_dead_links(tmp_path) == [
        "a.html: #nowhere",
        "a.html: c.html",
        "a.html: no.png",
        "b.html: a.html#gone",
    ]
