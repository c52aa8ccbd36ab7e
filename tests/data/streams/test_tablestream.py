"""Tables read piece by piece, and the sentences for those that cannot be."""

import numpy as np
import pandas as pd
import pytest

import vaeaug.data.streams.sources as tablestream
from vaeaug.data.streams.sources import FrameStream, is_stream, open_stream
from vaeaug.errors import InputError

pa = pytest.importorskip("pyarrow")
ds = pytest.importorskip("pyarrow.dataset")


def frame(rows=50, start=0):
    return pd.DataFrame(
        {"a": np.arange(start, start + rows, dtype=np.float64), "b": ["x", "y"] * (rows // 2)}
    )


@pytest.fixture
def folder(tmp_path):
    """Return a folder of two files, with row groups of 20 rows."""
    target = tmp_path / "table"
    target.mkdir()
    for number in range(2):
        frame(50, 50 * number).to_parquet(target / f"part-{number}.parquet", row_group_size=20, index=False)
    return target


class Again:
    """Frames that can be iterated over again and again."""

    def __init__(self, frames):
        self.frames = frames

    def __iter__(self):
        return iter(self.frames)


def whole(stream):
    pieces = [piece for block in range(stream.blocks) for piece in stream.read(block)]
    starts = np.cumsum([0] + [len(piece.frame) for piece in pieces])[:-1]
    assert [piece.start for piece in pieces] == starts.tolist()
    return pd.concat([piece.frame for piece in pieces], ignore_index=True)


def test_a_folder_is_read_by_row_groups(folder):
    stream = open_stream(folder)
    assert (stream.blocks, stream.rows, stream.names) == (6, 100, ["a", "b"])
    expected = pd.read_parquet(folder)
    pd.testing.assert_frame_equal(whole(stream), expected)
    (piece,) = stream.read(4)
    assert piece.start == 70
    assert piece.where.endswith("part-1.parquet, row group 1,")


@pytest.mark.parametrize("kind", [str, lambda path: path, lambda path: ds.dataset(path)])
def test_whatever_names_the_files(kind, folder):
    assert is_stream(kind(folder))
    assert len(whole(open_stream(kind(folder)))) == 100
    assert len(whole(open_stream(kind(folder / "part-0.parquet")))) == 50


def test_a_dataset_of_another_format_is_read_file_by_file(folder, tmp_path):
    ds.write_dataset(ds.dataset(folder), tmp_path / "feather", format="feather")
    stream = open_stream(ds.dataset(tmp_path / "feather", format="feather"))
    assert (stream.blocks, stream.rows) == (1, 100)
    assert len(whole(stream)) == 100


def test_an_index_that_pandas_wrote_is_no_column(tmp_path):
    frame(6).set_index(pd.Index(list("uvwxyz"))).to_parquet(tmp_path / "t.parquet")
    stream = open_stream(tmp_path / "t.parquet")
    assert stream.names == ["a", "b"]
    assert whole(stream).columns.tolist() == ["a", "b"]


def test_frames_come_again_and_again(monkeypatch):
    monkeypatch.setattr(tablestream, "_PIECE", 30)
    frames = [frame(50), frame(20, 50)]
    assert is_stream(frames)
    stream = open_stream(frames)
    assert stream.blocks == 1
    for _ in range(2):
        assert whole(stream)["a"].tolist() == list(range(70))
    assert [len(piece.frame) for piece in stream.read(0)] == [30, 20, 20]


def test_an_object_that_opens_its_source_anew():
    again = Again([frame(4), frame(2, 4)])
    assert is_stream(again)
    assert len(whole(open_stream(again))) == 6


def test_arrays_and_lists_of_rows_are_no_streams():
    for X in ([[1, 2], [3, 4]], np.eye(3), frame(), [], (), [1, 2]):
        assert not is_stream(X)


# --- what cannot be read ---------------------------------------------------------------------


def test_an_empty_folder(tmp_path):
    with pytest.raises(InputError, match="holds no Parquet files"):
        open_stream(tmp_path)


def test_files_of_different_columns(folder):
    frame(4).assign(c=1).to_parquet(folder / "part-9.parquet", index=False)
    with pytest.raises(
        InputError, match="part-9.parquet differs from .*part-0.parquet: it has a column 'c' more"
    ):
        open_stream(folder)


def test_a_type_that_changes_between_files(folder):
    frame(4).assign(a=["1", "2", "3", "4"]).to_parquet(folder / "part-9.parquet", index=False)
    with pytest.raises(
        InputError, match="part-9.parquet differs .* its column 'a' is .*string instead of double"
    ):
        open_stream(folder)


def test_an_unreadable_row_group_is_named(folder):
    path = folder / "part-1.parquet"
    pq = pytest.importorskip("pyarrow.parquet")
    column = pq.read_metadata(path).row_group(1).column(0)
    start = column.dictionary_page_offset or column.data_page_offset
    content = bytearray(path.read_bytes())
    content[start : start + column.total_compressed_size] = b"\xff" * column.total_compressed_size
    path.write_bytes(content)
    stream = open_stream(folder)
    with pytest.raises(InputError, match=r"part-1.parquet, row group 1, cannot be read"):
        whole(stream)


def test_an_iterator_is_no_source_to_read_twice():
    with pytest.raises(InputError, match="is a generator, which can be read once only"):
        FrameStream(frame(2) for _ in range(3))


def test_frames_of_different_columns_are_named():
    with pytest.raises(InputError, match=r"Frame 1 of X lacks \['b'\]"):
        whole(open_stream([frame(4), frame(4)[["a"]]]))
    with pytest.raises(InputError, match=r"Item 1 of X is a list"):
        whole(open_stream([frame(4), [1]]))
    with pytest.raises(InputError, match="gives no frames"):
        open_stream(Again([]))
