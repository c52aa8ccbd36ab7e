"""``vaeaug complete``: missing cells are filled, all others stay, trouble in a sentence."""

import numpy as np
import pandas as pd
import pytest

from vaeaug import VAEAugmenter
from vaeaug.cli.main import main


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("complete")
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"size": rng.normal(size=60).round(2), "town": rng.choice(["A", "B"], 60)})
    VAEAugmenter(max_iter=2, random_state=0).fit(frame).save(path / "model.safetensors")
    frame.loc[:4, "size"], frame.loc[3:7, "town"] = None, None
    frame.assign(y="yes").to_csv(path / "in.csv", index=False)
    return path


def run(folder, *options, table="in.csv", out="out.csv"):
    files = [str(folder / name) for name in ("model.safetensors", table)]
    return main(["complete", *files, "-o", str(folder / out), *options])


def test_missing_cells_are_filled_and_others_stay(folder, capsys):
    assert run(folder) == 0
    before, after = (pd.read_csv(folder / name) for name in ("in.csv", "out.csv"))
    assert not after.isna().any(axis=None)
    assert after.columns.tolist() == ["size", "town", "y"]
    pd.testing.assert_frame_equal(after.where(before.notna()), before)
    assert "10 missing cells filled" in capsys.readouterr().out


def test_each_draw_has_a_file(folder):
    assert run(folder, "--draws", "2", out="many.csv") == 0
    first, second = (pd.read_csv(folder / f"many-{k}.csv") for k in (1, 2))
    assert not first.equals(second)
    assert first.iloc[8:].equals(second.iloc[8:])


def test_a_table_of_other_columns_is_refused(folder, capsys):
    pd.DataFrame({"size": [1.0]}).to_csv(folder / "other.csv", index=False)
    assert run(folder, table="other.csv", out="none.csv") == 1
    assert "lacks columns of the model: 'town'" in capsys.readouterr().err
    assert not (folder / "none.csv").exists()
