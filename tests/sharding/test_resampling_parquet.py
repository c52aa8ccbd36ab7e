from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from made_shards import contents, made_model, made_rows

from vaeaug import VAEAugmenter
from vaeaug.errors import InputError

pa = pytest.importorskip("pyarrow")
ds = pytest.importorskip("pyarrow.dataset")
pq = pytest.importorskip("pyarrow.parquet")


@pytest.fixture(scope="module")
def model() -> VAEAugmenter:
    return made_model()


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """The 50 rows in two files; 10 of them are of class "yes"."""
    X, y = made_rows()
    frame = pd.concat([X, y], axis=1)
    folder = tmp_path / "real"
    folder.mkdir()
    frame[:30].to_parquet(folder / "a.parquet", index=False)
    frame[30:].to_parquet(folder / "b.parquet", index=False)
    return folder


def rewritten(path: Path, change) -> None:
    pq.write_table(change(pq.read_table(path)), path)


def test_the_classes_are_balanced_and_both_folders_read_as_one(model: VAEAugmenter, data: Path) -> None:
    before = contents(data)
    out = model.resample_parquet(data, data.with_name("new"), target="label", shard_size=20, random_state=0)
    assert contents(data) == before
    assert len(contents(out)) == 2
    whole = ds.dataset([ds.dataset(data), ds.dataset(out)]).to_table()
    assert whole.schema.equals(ds.dataset(data).schema, check_metadata=False)
    assert pd.Series(whole["label"].to_pylist()).value_counts().to_dict() == {"no": 40, "yes": 40}
    assert pd.read_parquet(out).dtypes.equals(pd.read_parquet(data).dtypes)


def test_one_file_a_strategy_and_a_seed(model: VAEAugmenter, data: Path) -> None:
    made = [
        model.resample_parquet(
            data / "a.parquet",
            data.with_name(name),
            target="label",
            sampling_strategy={"no": 25, "yes": 27},
            shard_size=15,
            random_state=seed,
        )
        for name, seed in [("x", 1), ("y", 1), ("z", 2)]
    ]
    a, b, c = (contents(folder) for folder in made)
    assert a == b
    assert not set(a.values()) & set(c.values())
    assert pd.read_parquet(made[0])["label"].tolist() == ["no"] + ["yes"] * 21


def test_an_interrupted_call_goes_on_and_changed_data_is_refused(model: VAEAugmenter, data: Path) -> None:
    def run() -> Path:
        return model.resample_parquet(
            data, data.with_name("new"), target="label", shard_size=20, random_state=0
        )

    before = contents(run())
    (data.with_name("new") / "part-00000.parquet").unlink()
    assert contents(run()) == before
    (data / "b.parquet").unlink()
    with pytest.raises(InputError, match="another number of rows"):
        run()


def test_columns_come_in_the_order_and_types_of_the_data(model: VAEAugmenter, data: Path) -> None:
    (data / "b.parquet").unlink()
    types = pa.schema(
        [
            ("kind", pa.dictionary(pa.int32(), pa.large_string())),
            ("label", pa.dictionary(pa.int32(), pa.string())),
            ("count", pa.int64()),
            ("note", pa.large_string()),
            ("size", pa.float32()),
        ]
    )
    rewritten(
        data / "a.parquet",
        lambda table: pa.Table.from_arrays(
            [
                table["kind"].cast(pa.large_string()).dictionary_encode(),
                table["label"].dictionary_encode(),
                table["count"].cast(pa.int64()),
                table["note"].cast(pa.large_string()),
                table["size"].cast(pa.float32()),
            ],
            names=types.names,
        ),
    )
    out = model.resample_parquet(data, data.with_name("new"), target="label", random_state=0)
    found = ds.dataset(out).schema
    assert found.names == types.names
    assert found.equals(ds.dataset(data).schema)
    assert found.field("label").type == types.field("label").type
    assert found.field("size").type == pa.float32()
    assert pd.read_parquet(out)["kind"].cat.categories.tolist() == ["a", "b", "unused"]


def test_times_may_be_coarser_in_the_files(tmp_path: Path) -> None:
    frame = pd.DataFrame({"day": pd.date_range("2024-01-01", periods=20, freq="37min")})
    y = ["a"] * 15 + ["b"] * 5
    model = VAEAugmenter(max_iter=1, random_state=0).fit(frame, y)
    times = pa.array(frame["day"]).cast(pa.timestamp("ms"), safe=False)
    pq.write_table(pa.table({"day": times, "y": y}), tmp_path / "in.parquet")
    out = model.resample_parquet(tmp_path / "in.parquet", tmp_path / "new", target="y", random_state=0)
    assert ds.dataset(out).schema.field("day").type == pa.timestamp("ms")


def test_balanced_classes_need_no_rows(model: VAEAugmenter, data: Path) -> None:
    out = model.resample_parquet(
        data, data.with_name("new"), target="label", sampling_strategy={"yes": 10}, random_state=0
    )
    assert not contents(out)


def test_an_index_that_pandas_wrote_is_no_column(model: VAEAugmenter, data: Path) -> None:
    (data / "b.parquet").unlink()
    frame = pd.read_parquet(data / "a.parquet")
    frame.set_axis(np.roll(frame.index, 1)).to_parquet(data / "a.parquet")
    assert "__index_level_0__" in pq.read_schema(data / "a.parquet").names
    out = model.resample_parquet(data, data.with_name("new"), target="label", random_state=0)
    assert pd.read_parquet(out).columns.tolist() == frame.columns.tolist()


# --- faults ----------------------------------------------------------------------------


def remove(data: Path) -> None:
    for path in data.iterdir():
        path.unlink()


def drop_a_column(data: Path) -> None:
    rewritten(data / "b.parquet", lambda table: table.drop_columns(["size"]))


def change_a_type(data: Path) -> None:
    rewritten(
        data / "b.parquet",
        lambda table: table.set_column(0, "size", table["size"].cast(pa.string())),
    )


def add_a_column(data: Path) -> None:
    rewritten(data / "b.parquet", lambda table: table.append_column("more", table["size"]))


def swap_columns(data: Path) -> None:
    rewritten(data / "b.parquet", lambda table: table.select(table.column_names[::-1]))


def break_a_footer(data: Path) -> None:
    (data / "b.parquet").write_bytes((data / "b.parquet").read_bytes()[:400])


def break_a_row_group(data: Path) -> None:
    path = data / "b.parquet"
    column = pq.read_metadata(path).row_group(0).column(4)
    start = column.dictionary_page_offset or column.data_page_offset
    content = bytearray(path.read_bytes())
    content[start : start + column.total_compressed_size] = b"\xff" * column.total_compressed_size
    path.write_bytes(bytes(content))


def lose_labels(data: Path) -> None:
    rewritten(
        data / "b.parquet",
        lambda table: table.set_column(4, "label", pa.array([None] * 3 + ["no"] * 17, table["label"].type)),
    )


def add_a_class(data: Path) -> None:
    rewritten(
        data / "b.parquet",
        lambda table: table.set_column(4, "label", pa.array(["maybe"] * 20, table["label"].type)),
    )


def add_a_column_everywhere(data: Path) -> None:
    for path in data.iterdir():
        rewritten(path, lambda table: table.append_column("more", table["size"]))


def drop_a_column_everywhere(data: Path) -> None:
    for path in data.iterdir():
        rewritten(path, lambda table: table.drop_columns(["kind"]))


def make_text_of_numbers(data: Path) -> None:
    for path in data.iterdir():
        rewritten(path, lambda table: table.set_column(0, "size", pa.array([None] * len(table), pa.date32())))


FAULTS = {
    "empty folder": (remove, "real holds no Parquet files; give a folder with at least one"),
    "missing column": (drop_a_column, r"b.parquet differs from .*a.parquet: it lacks the column 'size'"),
    "changed type": (change_a_type, "b.parquet differs from .*its column 'size' is string instead of double"),
    "column more": (add_a_column, "b.parquet differs from .*it has a column 'more' more"),
    "other order": (swap_columns, "b.parquet differs from .*come in another order"),
    "cut file": (break_a_footer, r"b.parquet.* cannot be read as Parquet"),
    "bad row group": (break_a_row_group, "b.parquet cannot be read as Parquet.*Write this file again"),
    "missing labels": (lose_labels, "'label' has 3 missing labels; drop these rows"),
    "new class": (add_a_class, "maybe"),
    "unknown column": (add_a_column_everywhere, r"has the column 'more' more.*Fit it on rows"),
    "lost column": (drop_a_column_everywhere, "lacks the column 'kind'"),
    "other type": (make_text_of_numbers, "'size' is made as double and cannot be written as date32"),
}


@pytest.mark.parametrize("case", FAULTS)
def test_faults_are_named_before_anything_is_written(model: VAEAugmenter, data: Path, case: str) -> None:
    fault, words = FAULTS[case]
    fault(data)
    with pytest.raises(InputError, match=f"(?s){words}"):
        model.resample_parquet(data, data.with_name("new"), target="label", random_state=0)
    assert not data.with_name("new").exists()


def test_a_missing_target_is_named_with_what_there_is(model: VAEAugmenter, data: Path) -> None:
    with pytest.raises(InputError, match="no column 'y'; they have size, count, note, kind, label"):
        model.resample_parquet(data, data.with_name("new"), target="y")
    with pytest.raises(InputError, match="'size' is one of the columns that the model makes"):
        model.resample_parquet(data, data.with_name("new"), target="size")


def test_paths_that_cannot_be(model: VAEAugmenter, data: Path) -> None:
    with pytest.raises(InputError, match="nowhere does not exist"):
        model.resample_parquet(data.with_name("nowhere"), data.with_name("new"), target="label")
    for inside in (data, data / "new"):
        with pytest.raises(InputError, match="whose rows it is to join; give another folder"):
            model.resample_parquet(data, inside, target="label")


def test_callables_and_models_without_classes_are_refused(model: VAEAugmenter, data: Path) -> None:
    with pytest.raises(InputError, match="a callable would need all labels in memory"):
        model.resample_parquet(data, data.with_name("new"), target="label", sampling_strategy=dict)
    plain = VAEAugmenter(max_iter=1, random_state=0).fit(np.random.default_rng(0).normal(size=(20, 2)))
    with pytest.raises(InputError, match="balances one column of class labels, and fit was given no y"):
        plain.resample_parquet(data, data.with_name("new"), target="label")
