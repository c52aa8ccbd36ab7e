import sys
from pathlib import Path

import pandas as pd
import pytest
from made_shards import contents, made_model

import vaeaug.sharding.jobs
from vaeaug.cli.main import main

pq = pytest.importorskip("pyarrow.parquet")


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("model") / "m.safetensors"
    made_model().save(path)
    return path


@pytest.mark.parametrize("name", ["rows", "rows.v1/"])
def test_a_folder_is_filled_and_gone_on_with(
    saved: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    out = f"{tmp_path}/{name}"
    command = ["sample", str(saved), "-n", "1e2", "-o", out, "--shard-size", "40", "--jobs", "1"]
    assert main(command) == 0
    folder = Path(out)
    before = contents(folder)
    assert [pq.read_metadata(path).num_rows for path in sorted(folder.glob("*.parquet"))] == [40, 40, 20]
    (folder / "part-00002.parquet").unlink()
    assert main(command) == 0
    assert contents(folder) == before
    assert main([*command, "--seed", "1"]) == 1
    said = capsys.readouterr()
    assert "100 synthetic rows" in said.out
    assert "holds shards of another seed" in said.err


def test_a_label_and_a_temperature(saved: Path, tmp_path: Path) -> None:
    options = ["--label", "yes", "--temperature", "0.5", "--method", "posterior"]
    assert main(["sample", str(saved), "-n", "30", "-o", str(tmp_path / "rows"), *options]) == 0
    assert pd.read_parquet(tmp_path / "rows")["label"].tolist() == ["yes"] * 30


def test_a_file_is_still_a_file(saved: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["sample", str(saved), "-n", "1e1", "-o", str(tmp_path / "rows.parquet")]) == 0
    assert (tmp_path / "rows.parquet").is_file()
    for option in (["--jobs", "2"], ["--shard-size", "5"]):
        assert main(["sample", str(saved), "-o", str(tmp_path / "rows.csv"), *option]) == 1
        assert f"{option[0]} is for a folder of files" in capsys.readouterr().err
    assert main(["sample", str(saved), "-o", str(tmp_path / "rows.xls")]) == 1
    assert "must end in .csv" in capsys.readouterr().err


@pytest.mark.parametrize(
    "option", [["-n", "1.5"], ["-n", "nan"], ["-n", "1e-3"], ["-n", "many"], ["--jobs", "0"]]
)
def test_wrong_numbers_are_wrong_usage(option: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["sample", "m", "-o", "rows", *option])
    assert ended.value.code == 2
    assert "is not a" in capsys.readouterr().err


def test_an_interrupt_says_how_to_go_on(
    saved: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    written = []

    def stop(job: object, shard: int, y: object) -> int:
        written.append(shard)
        if len(written) == 3:
            raise KeyboardInterrupt
        return write(job, shard, y)

    write = vaeaug.sharding.jobs.write_shard
    monkeypatch.setattr(vaeaug.sharding.jobs, "write_shard", stop)
    out = tmp_path / "rows"
    assert main(["sample", str(saved), "-n", "50", "--shard-size", "10", "-o", str(out)]) == 130
    assert "the same command goes on from there" in capsys.readouterr().err
    assert len(contents(out)) == 2


def test_the_bar_is_for_terminals(
    saved: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["sample", str(saved), "-n", "20", "-o"]
    assert main([*command, str(tmp_path / "a")]) == 0
    assert capsys.readouterr().err == ""
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    assert main([*command, str(tmp_path / "b")]) == 0
    assert "20.0/20.0" in capsys.readouterr().err
