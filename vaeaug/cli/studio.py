"""``vaeaug studio``: walk through the codes of a fitted model, on a page that needs nothing from outside."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import os
from argparse import Namespace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from PIL import Image

from vaeaug.augmenter import load
from vaeaug.model.explore import Explored, explore
from vaeaug.model.fitted import get_fitted
from vaeaug.reports.pages import read_asset, render
from vaeaug.utils.files import replace_file
from vaeaug.utils.wording import count

if TYPE_CHECKING:
    from vaeaug.augmenter import VAEAugmenter

__all__ = ["studio", "studio_page", "write_studio"]

_MOST_COLUMNS = 40
_MOST_CHARACTERS = 60


def studio(options: Namespace) -> None:
    """Write the page of a saved model.

    Parameters
    ----------
    options : Namespace
        As the command line gives them.

    Raises
    ------
    InputError
        For files that cannot be used; then nothing was written.
    """
    augmenter = load(options.model, device=options.device)
    found = write_studio(augmenter, options.out, steps=options.steps, source=Path(options.model).name)
    size = os.path.getsize(options.out) / 1e6
    classes = count(len(found.scenes), "class", "classes")
    hidden = f" ({found.left_out:,} more not shown)" if found.left_out else ""
    print(f"Wrote {options.out}: {classes}{hidden}, {size:.1f} MB; open it in a browser")


def write_studio(
    augmenter: VAEAugmenter,
    path: str | os.PathLike[str],
    *,
    title: str = "Latent studio",
    steps: int = 11,
    source: str = "",
) -> Explored:
    """Write a page with sliders over the codes of a fitted augmenter; return what it shows.

    Parameters
    ----------
    augmenter : VAEAugmenter
        Fitted to images or a table.
    path : path-like
        File to write; what was there stays if that fails.
    title : str, default="Latent studio"
    steps : int, default=11
        Stops of each slider.
    source : str
        Where the model comes from, such as the name of its file.

    Raises
    ------
    InputError
        If the path cannot be written.

    Examples
    --------
    >>> import os, tempfile
    >>> from sklearn.datasets import load_wine
    >>> from vaeaug import VAEAugmenter
    >>> from vaeaug.cli.studio import write_studio
    >>> augmenter = VAEAugmenter(max_iter=1, random_state=0).fit(*load_wine(return_X_y=True, as_frame=True))
    >>> path = os.path.join(tempfile.mkdtemp(), "wine.html")
    >>> [scene.name for scene in write_studio(augmenter, path, title="Wine", steps=3).scenes]
    ['0', '1', '2']
    """
    found = explore(get_fitted(augmenter), augmenter.class_names_, steps=steps)
    page = studio_page(found, title, source)
    with replace_file(path) as temporary:
        temporary.write_text(page, encoding="utf-8")
    return found


def studio_page(found: Explored, title: str, source: str = "") -> str:
    """Return the page as HTML, without any link to something outside it."""
    shape = found.scenes[0].grid.shape
    learned = (
        f"images of {shape[3]} × {shape[2]} pixels"
        if found.is_image
        else f"a table of {count(shape[1], 'column')}"
    )
    classes = count(len(found.scenes) + found.left_out, "class", "classes")
    subject = f"A model of {learned}, {classes}{f', from {source}' if source else ''}."
    data = _images(found) if found.is_image else _tables(found)
    data |= {"stops": found.stops, "dims": found.dims, "names": [scene.name for scene in found.scenes]}
    shown = f"the {len(found.scenes)} most frequent classes; {found.left_out} are not shown"
    script = read_asset("studio.js")
    return render(
        "studio.html",
        title=title,
        subject=subject,
        note=f"Of {shown}." if found.left_out else "",
        data=_as_json(data),
        script=script,
        digest=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
    )


def _as_json(data: dict[str, Any]) -> str:
    """Return data as JSON that can stand in a script element: no name can end it."""
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    for character in "<>&\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return text


def _images(found: Explored) -> dict[str, Any]:
    """Return sprite sheets: every class one sheet of the grid, and one of the dimensions."""
    steps = len(found.stops)
    height, width = found.scenes[0].grid.shape[2:]
    return {
        "kind": "images",
        "size": [int(width), int(height)],
        "grids": [_sheet(scene.grid, steps) for scene in found.scenes],
        "lines": [_sheet(scene.lines, steps) for scene in found.scenes],
    }


def _sheet(images: np.ndarray, columns: int) -> str:
    """Return images ``(n, C, H, W)`` in [−1, 1] side by side, row after row, as the address of a PNG."""
    n, channels, height, width = images.shape
    shown = images[:, :3] if channels >= 3 else images[:, :1]
    values = np.rint((np.clip(shown, -1, 1) + 1) * 127.5).astype(np.uint8)
    tiles = values.reshape(n // columns, columns, -1, height, width).transpose(0, 3, 1, 4, 2)
    sheet = tiles.reshape(n // columns * height, columns * width, -1)
    buffer = io.BytesIO()
    Image.fromarray(sheet if sheet.shape[2] == 3 else sheet[..., 0]).save(buffer, "PNG", optimize=True)
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode("ascii")


def _tables(found: Explored) -> dict[str, Any]:
    """Return rows as text, cell by cell."""
    columns = [str(name) for name in found.scenes[0].grid.columns]
    return {
        "kind": "table",
        "columns": columns[:_MOST_COLUMNS],
        "more": max(len(columns) - _MOST_COLUMNS, 0),
        "grids": [_cells(scene.grid) for scene in found.scenes],
        "lines": [_cells(scene.lines) for scene in found.scenes],
    }


def _cells(frame: pd.DataFrame) -> list[list[str]]:
    texts = [[_text(value) for value in frame.iloc[:, j]] for j in range(min(frame.shape[1], _MOST_COLUMNS))]
    return [list(row) for row in zip(*texts, strict=True)]


def _text(value: Any) -> str:
    """Return a cell as it is shown."""
    if pd.api.types.is_scalar(value) and pd.isna(value):
        return "–"
    if isinstance(value, (float, np.floating)):
        return f"{value:.4g}"
    text = str(value)
    return text if len(text) <= _MOST_CHARACTERS else text[: _MOST_CHARACTERS - 1] + "…"
