"""What the site needs beside Sphinx: benchmark pages, pictures of the gallery, formulas as MathML."""

import posixpath
from pathlib import Path
from typing import Any

from docutils import nodes
from docutils.utils.math.latex2mathml import tex2mathml
from markdown_pages import convert_page
from PIL import Image

SITE = Path(__file__).resolve().parent
EXAMPLES = SITE.parent
BENCHMARKS = EXAMPLES.parent / "benchmarks"
FRESH = SITE / "gallery" / "figures"

#: The order of the benchmark pages; others follow.
_FIRST = ["tabular", "imbalance", "rules", "limits", "images", "dataloader", "scale"]

#: The order of the gallery; others follow.
_GALLERY = [
    "imbalanced_table",
    "small_minority",
    "rules",
    "mixed_types",
    "pipeline_cross_validation",
    "balanced_digits",
    "imbalanced_fashion",
    "chest_xray",
    "transfer",
    "edit",
    "denoise",
    "interpolation",
    "blend",
    "traverse",
    "anomalies",
    "clustering",
    "diversity",
    "new_part",
    "new_operation",
]
_THUMBNAIL = (800, 560)


class ExampleOrder:
    """Sort key of the scripts in the gallery."""

    def __init__(self, src_dir: str) -> None:
        self.src_dir = src_dir

    def __call__(self, filename: str) -> tuple[int, str]:
        """Return the place of a script, and its name for those that have none."""
        stem = Path(filename).stem
        return (_GALLERY.index(stem) if stem in _GALLERY else len(_GALLERY)), stem


def choose_folder(gallery_conf: dict[str, Any], script_vars: dict[str, Any]) -> list[str]:
    """Return the arguments with which a script of the gallery runs: the folder for its picture."""
    return [str(FRESH)]


def write_benchmarks(app: Any) -> None:
    """Write a page for each Markdown file in ``benchmarks/``."""
    folder = SITE / "benchmarks"
    folder.mkdir(exist_ok=True)
    names = sorted(path.stem for path in BENCHMARKS.glob("*.md") if path.stem != "README")
    names.sort(key=lambda name: _FIRST.index(name) if name in _FIRST else len(_FIRST))
    pages = {name: convert_page((BENCHMARKS / f"{name}.md").read_text("utf-8"), _link) for name in names}
    overview = convert_page((BENCHMARKS / "README.md").read_text("utf-8"), _link)
    contents = "\n".join(f"    {name}" for name in names)
    pages["index"] = f"{overview}\n.. toctree::\n    :hidden:\n\n{contents}\n"
    for name, text in pages.items():
        path = folder / f"{name}.rst"
        # Sphinx reads again what is newer.
        if not path.exists() or path.read_text("utf-8") != text:
            path.write_text(text, "utf-8")


def _link(words: str, target: str) -> str:
    if "://" in target:
        return f"`{words} <{target}>`__"
    path, _, _ = target.partition("#")
    if path.endswith(".md"):
        name = Path(path).stem
        return f":doc:`{words} <{'index' if name == 'README' else name}>`"
    if path.startswith("../examples/") and path.endswith(".py"):
        return f":doc:`{words} </gallery/{Path(path).stem}>`"
    return f"``{posixpath.normpath(posixpath.join('benchmarks', path))}``" if path else words


def find_picture(stem: str) -> Path | None:
    """Return the picture of a script: the one it has just drawn, otherwise the one in the repository."""
    found = [folder / f"{stem}.png" for folder in (FRESH, EXAMPLES / "figures")]
    return next((path for path in found if path.exists()), None)


def write_thumbnails(app: Any) -> None:
    """Put the pictures of the scripts into the gallery."""
    folder = SITE / "gallery" / "images" / "thumb"
    for path in folder.glob("sphx_glr_*_thumb.*"):
        picture = find_picture(path.stem.removeprefix("sphx_glr_").removesuffix("_thumb"))
        if picture is None:
            continue
        with Image.open(picture) as image:
            small = image.convert("RGB")
        width, height = _THUMBNAIL
        if small.width > 2.4 * small.height:
            # Of a wide picture the left part: the whole would be too small to see anything.
            small = small.crop((0, 0, round(small.height * width / height), small.height))
        small.thumbnail(_THUMBNAIL)
        page = Image.new("RGB", _THUMBNAIL, "white")
        page.paste(small, ((width - small.width) // 2, (height - small.height) // 2))
        page.save(path)


def show_picture(app: Any, docname: str, source: list[str]) -> None:
    """Put the picture of a script before its code."""
    folder, _, stem = docname.partition("/")
    picture = find_picture(stem) if folder == "gallery" else None
    if picture is not None:
        place = picture.relative_to(EXAMPLES.parent)
        image = f".. image:: /../../{place.as_posix()}\n        :alt: What the script draws."
        figure = f".. container:: wide-picture\n\n    {image}\n\n"
        mark = "\n.. GENERATED FROM PYTHON SOURCE LINES"
        before, _, after = source[0].rpartition(mark)
        source[0] = f"{before}\n{figure}{mark}{after}" if before else source[0]


def _visit_inline(translator: Any, node: nodes.math) -> None:
    translator.body.append(tex2mathml(node.astext()))
    raise nodes.SkipNode


def _visit_block(translator: Any, node: nodes.math_block) -> None:
    translator.body.append(f'<div class="formula">{tex2mathml(node.astext(), as_block=True)}</div>')
    raise nodes.SkipNode


def setup(app: Any) -> dict[str, bool]:
    """Add the steps to a build of Sphinx."""
    app.connect("builder-inited", write_benchmarks, priority=100)
    app.connect("builder-inited", write_thumbnails, priority=900)
    app.connect("source-read", show_picture)
    # Browsers draw MathML themselves; the usual script would come over the network.
    app.add_html_math_renderer("mathml", (_visit_inline, None), (_visit_block, None))
    return {"parallel_read_safe": True, "parallel_write_safe": True}
