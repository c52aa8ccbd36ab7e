"""Parquet files in object stores: a store in memory, and one that asks for credentials."""

import traceback
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread

import fsspec
import pandas as pd
import pytest
from made_shards import made_model, made_rows

from vaeaug import VAEAugmenter
from vaeaug.errors import InputError

pytest.importorskip("pyarrow")


@pytest.fixture
def url():
    X, y = made_rows()
    store = fsspec.filesystem("memory")
    for name, part in (("a", slice(0, 30)), ("b", slice(30, 50))):
        with store.open(f"/rows/{name}.parquet", "wb") as file:
            X.assign(label=y)[part].to_parquet(file, index=False)
    yield "memory://rows"
    store.rm("/rows", recursive=True)


def test_a_url_is_fitted_like_a_folder(url: str, tmp_path: Path) -> None:
    X, y = made_rows()
    for name, part in (("a", slice(0, 30)), ("b", slice(30, 50))):
        X.assign(label=y)[part].to_parquet(tmp_path / f"{name}.parquet", index=False)
    found, expected = (
        VAEAugmenter(max_iter=1, random_state=0, device="cpu").fit(path, y="label")
        for path in (url, tmp_path)
    )
    pd.testing.assert_frame_equal(found.sample(5, random_state=0)[0], expected.sample(5, random_state=0)[0])


def test_a_data_set_behind_a_url_is_balanced(url: str, tmp_path: Path) -> None:
    out = made_model().resample_parquet(url, tmp_path / "new", target="label", random_state=0)
    assert len(pd.read_parquet(out)) == 30


def test_a_url_with_a_file_of_this_machine(tmp_path: Path) -> None:
    X, y = made_rows()
    X.assign(label=y).to_parquet(tmp_path / "rows.parquet", index=False)
    model = VAEAugmenter(max_iter=1, random_state=0).fit((tmp_path / "rows.parquet").as_uri(), y="label")
    assert model.classes_.tolist() == ["no", "yes"]


@pytest.mark.parametrize("url", ["memory://nothing/there", "nostore://bucket/rows"])
def test_a_url_that_cannot_be_read_is_named(url: str) -> None:
    with pytest.raises(InputError, match=f"{url} (cannot be read as Parquet|holds no Parquet files)"):
        VAEAugmenter(max_iter=1).fit(url, y="label")


def test_a_store_that_asks_for_credentials_is_quoted(monkeypatch: pytest.MonkeyPatch) -> None:
    class Refusing(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = b"<Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>"
            self.send_response(403)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_HEAD = do_GET

        def log_message(self, *_: object) -> None:
            pass

    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    server = HTTPServer(("127.0.0.1", 0), Refusing)
    Thread(target=server.serve_forever, daemon=True).start()
    port = server.server_address[1]
    url = f"s3://anonymous:none@bucket/rows?scheme=http&endpoint_override=127.0.0.1:{port}&region=x"
    with pytest.raises(InputError, match=r"cannot be read as Parquet: .*ACCESS_DENIED"):
        VAEAugmenter(max_iter=1).fit(url, y="label")
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize(
    "url",
    [
        "s3://AKIA1:top/hunter2@bucket/rows?region=x",
        "nostore://bucket/rows?sig=hunter2&region=x",
        "https://me:hunter2@host/rows.parquet",
        "s3://bucket/rows?secret_key=hunter2&region=x",
    ],
)
def test_a_message_does_not_tell_the_secrets_of_a_url(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: str) -> None:
        raise OSError(f"no access to {path}")

    monkeypatch.setattr("vaeaug.io.parquet._find_store", refuse)
    with pytest.raises(InputError, match="cannot be read as Parquet: no access to") as caught:
        VAEAugmenter(max_iter=1).fit(url, y="label")
    shown = "".join(traceback.format_exception(caught.value))
    assert "hunter2" not in shown
    assert ("bucket" in shown) or ("host" in shown)


def test_shards_are_not_written_to_a_url() -> None:
    with pytest.raises(InputError, match="s3://bucket/new is a URL, and shards go to a folder"):
        made_model().sample_to_parquet(5, "s3://bucket/new")
