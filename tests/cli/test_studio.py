"""The page of ``vaeaug studio``: whole in itself, names escaped, and sliders that move the picture."""

import base64
import io
import json
import re
from html.parser import HTMLParser

import made_browser
import numpy as np
import pandas as pd
import pytest
from made_images import blobs, fast
from PIL import Image

from vaeaug import VAEAugmenter
from vaeaug.cli.main import main
from vaeaug.cli.studio import write_studio
from vaeaug.errors import InputError
from vaeaug.model.fitted import get_fitted

NASTY = "</script><b>\u2028&amp;'\""


@pytest.fixture(scope="module")
def images():
    X, y = blobs(120, classes=3)
    return fast(max_iter=25, latent_dim=3).fit(X, np.array(["left", NASTY, "right"])[y])


@pytest.fixture(scope="module")
def table(mixed):
    X, y = mixed
    settings = {"max_iter": 20, "latent_dim": 4, "beta": 0.2, "device": "cpu", "random_state": 0}
    return VAEAugmenter(**settings).fit(X.rename(columns={"kind": NASTY}), y)


class Page(HTMLParser):
    """What a page holds, as a browser would find it."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.ids, self.outside, self.labelled = [], [], [], []
        self.within, self.texts = None, {}
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attributes):
        found = dict(attributes)
        self.tags.append(tag)
        self.ids += [found["id"]] if "id" in found else []
        self.outside += [value for name, value in attributes if name in ("src", "href", "action")]
        self.within = (tag, found.get("id"))

    def handle_endtag(self, tag):
        self.within = None

    def handle_data(self, data):
        if self.within:
            self.texts[self.within] = self.texts.get(self.within, "") + data


def written(augmenter, folder, **options):
    path = folder / "page.html"
    found = write_studio(augmenter, path, **options)
    return found, Page(path.read_text(encoding="utf-8"))


def data_of(page):
    return json.loads(page.texts["script", "data"])


def opened(address):
    assert address.startswith("data:image/png;base64,")
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(address.split(",")[1]))))


@pytest.fixture(scope="module")
def pages(images, table, tmp_path_factory):
    return {
        name: written(augmenter, tmp_path_factory.mktemp(name), title=f"A <i>{name}</i>", steps=5)[1]
        for name, augmenter in {"images": images, "table": table}.items()
    }


@pytest.mark.parametrize("kind", ["images", "table"])
def test_the_page_needs_nothing_from_outside(pages, kind):
    page = pages[kind]
    assert not page.outside
    assert "link" not in page.tags
    assert page.tags.count("script") == 2
    assert not re.search(r"https?://", page.texts["script", None])


@pytest.mark.parametrize("kind", ["images", "table"])
def test_the_page_has_its_controls_once(pages, kind):
    page = pages[kind]
    for name in ("class", "first", "second", "along", "dim", "reset", "grid-place", "line-place", "data"):
        assert page.ids.count(name) == 1
    assert page.tags.count("input") == 3


@pytest.mark.parametrize("kind", ["images", "table"])
def test_names_are_text_and_never_markup(pages, kind):
    page = pages[kind]
    assert page.texts["h1", None] == f"A <i>{kind}</i>"
    assert not {"i", "b"} & set(page.tags)
    data = data_of(page)
    assert NASTY in (data["names"] if kind == "images" else data["columns"])


def test_only_the_scripts_of_the_page_may_run(images, tmp_path):
    write_studio(images, tmp_path / "page.html", steps=2)
    text = (tmp_path / "page.html").read_text(encoding="utf-8")
    policy = re.search(r'content="(default-src[^"]*)"', text).group(1)
    assert "default-src 'none'" in policy
    assert "script-src 'sha256-" in policy
    assert "unsafe-inline'; script" in policy
    assert "unsafe-eval" not in policy


def test_frames_of_images_differ_along_both_directions(images, pages):
    data = data_of(pages["images"])
    width, height = data["size"]
    assert (width, height) == (9, 8)
    assert data["stops"] == [-2.5, -1.25, 0.0, 1.25, 2.5]
    sheets = [opened(address) for address in data["grids"]]
    assert len(sheets) == 3
    for sheet in sheets:
        assert sheet.shape == (5 * 8, 5 * 9)
        tiles = sheet.reshape(5, 8, 5, 9).swapaxes(1, 2).astype(int)
        assert np.abs(tiles[0, 2] - tiles[4, 2]).max() > 20
        assert np.abs(tiles[2, 0] - tiles[2, 4]).max() > 5
    assert not np.array_equal(sheets[0], sheets[2])
    assert opened(data["lines"][0]).shape == (len(data["dims"]) * 8, 5 * 9)


def test_the_middle_of_a_class_is_its_mean_code(images, pages):
    data = data_of(pages["images"])
    tile = opened(data["grids"][0]).reshape(5, 8, 5, 9)[2, :, 2]
    label = data["names"][0]
    fitted = get_fitted(images)
    known = fitted.anchors.mean[fitted.number_classes(fitted.anchors.context) == 0]
    assert images.classes_[0] == label
    mean = images.inverse_transform(known.mean(0, dtype=np.float64)[None], y=label)[0]
    assert np.abs(tile.astype(int) - mean.astype(int)).max() <= 1


def test_rows_of_tables_differ_and_are_text(pages):
    data = data_of(pages["table"])
    assert len(data["grids"]) == 3
    for grid, lines in zip(data["grids"], data["lines"], strict=True):
        assert len(grid) == 25
        assert len(lines) == 5 * len(data["dims"])
        assert all(isinstance(cell, str) for row in grid for cell in row)
    assert any(len({tuple(row) for row in grid}) > 3 for grid in data["grids"])


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_images_of_any_number_of_channels(tmp_path, channels):
    X = np.random.default_rng(0).integers(0, 255, (20, 8, 8, channels)).astype(np.uint8)
    _, page = written(fast(channels="last").fit(X), tmp_path, steps=3)
    sheet = opened(data_of(page)["grids"][0])
    assert sheet.shape == ((24, 24) if channels < 3 else (24, 24, 3))


def test_a_code_of_one_number_has_no_plane(tmp_path, numbers):
    augmenter = VAEAugmenter(max_iter=1, latent_dim=1, device="cpu", random_state=0).fit(numbers[0])
    found, page = written(augmenter, tmp_path, steps=4)
    assert [scene.name for scene in found.scenes] == ["all rows"]
    assert len(data_of(page)["grids"][0]) == 4


@pytest.mark.slow  # large images
def test_many_classes_many_columns_and_large_images_are_cut(tmp_path):
    rng = np.random.default_rng(0)
    X = pd.DataFrame(rng.normal(size=(120, 45))).add_prefix("c")
    augmenter = VAEAugmenter(max_iter=1, device="cpu", random_state=0).fit(X, np.arange(120) % 20)
    found, page = written(augmenter, tmp_path, steps=2)
    assert (len(found.scenes), found.left_out) == (12, 8)
    assert (len(data_of(page)["columns"]), data_of(page)["more"]) == (40, 5)
    large = rng.integers(0, 255, (6, 256, 256)).astype(np.uint8)
    found, _ = written(fast().fit(large, [0, 1] * 3), tmp_path, steps=40)
    assert len(found.stops) == 6


def test_the_command_line_writes_the_page(images, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    images.save(tmp_path / "shapes.safetensors")
    assert main(["studio", "shapes.safetensors", "--steps", "2"]) == 0
    assert "Wrote shapes.html: 3 classes" in capsys.readouterr().out
    page = (tmp_path / "shapes.html").read_text(encoding="utf-8")
    assert "<h1>Latent studio</h1>" in page
    assert "<p>A model of images of 9 × 8 pixels, 3 classes, from shapes.safetensors.</p>" in page
    assert main(["studio", "shapes.safetensors", "-o", "shapes.safetensors"]) == 1
    assert "is the input" in capsys.readouterr().err
    assert main(["studio", "none.safetensors"]) == 1
    assert "none.safetensors" in capsys.readouterr().err


def test_steps_and_paths_that_cannot_be_used(images, tmp_path):
    with pytest.raises(InputError, match="steps"):
        write_studio(images, tmp_path / "page.html", steps=1)
    with pytest.raises(InputError, match="there is no folder"):
        write_studio(images, tmp_path / "none" / "page.html", steps=2)


# --- in a browser ----------------------------------------------------------------------


PIXELS = "document.getElementById('{0}').toDataURL()"


@pytest.mark.skipif(made_browser.found() is None, reason="no Chromium is installed to open the page in")
@pytest.mark.parametrize("width", [1200, 390], ids=["wide", "phone"])
def test_sliders_move_the_picture_in_a_browser(images, tmp_path, width):
    write_studio(images, tmp_path / "page.html", steps=5)
    address = (tmp_path / "page.html").as_uri()
    with made_browser.Browser(address, tmp_path / "profile", width, 844) as browser:
        browser.wait("document.getElementById('line').dataset.shown")
        for slider, picture in (("first", "grid"), ("second", "grid"), ("along", "line")):
            before = browser.evaluate(PIXELS.format(picture))
            browser.evaluate(f"document.getElementById('{slider}').focus()")
            browser.press("End")
            browser.wait(f"document.getElementById('{slider}').value === '4'")
            browser.wait(f"{PIXELS.format(picture)} !== {json.dumps(before)}")
            assert browser.evaluate(f"document.getElementById('{slider}-out').textContent") == "+2.5"
        browser.evaluate("document.getElementById('reset').click()")
        assert browser.evaluate("document.getElementById('first').value") == "2"
        assert browser.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
        names = browser.evaluate("[...document.getElementById('class').options].map((o) => o.textContent)")
        assert names == [str(label) for label in images.classes_]
        assert not browser.errors


@pytest.mark.skipif(made_browser.found() is None, reason="no Chromium is installed to open the page in")
def test_sliders_move_the_row_of_a_table_in_a_browser(table, tmp_path):
    write_studio(table, tmp_path / "page.html", steps=5)
    address = (tmp_path / "page.html").as_uri()
    cells = "document.getElementById('{0}').innerText"
    with made_browser.Browser(address, tmp_path / "profile", 390, 844) as browser:
        before = browser.evaluate(cells.format("grid"))
        assert NASTY.replace("\u2028", "") in before.replace("\u2028", "").replace("\n", "")
        browser.evaluate("document.getElementById('first').focus()")
        browser.press("End")
        browser.wait(f"{cells.format('grid')} !== {json.dumps(before)}")
        assert browser.evaluate("document.querySelectorAll('#grid td.changed').length") > 0
        # Far down the table the sliders can still be moved, and the bar above does not cover them.
        browser.evaluate("document.getElementById('grid').scrollIntoView({block: 'end'})")
        place = "document.getElementById('first').getBoundingClientRect()"
        bar = "document.querySelector('.top').getBoundingClientRect().bottom"
        assert browser.evaluate("window.scrollY") > 0
        assert browser.evaluate(f"{place}.top >= {bar} && {place}.bottom <= window.innerHeight")
        assert browser.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
        assert not browser.errors
