import os
import socket
import stat
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from vaeaug.errors import InputError
from vaeaug.utils.files import check_writable, replace_file


def test_a_file_is_replaced_whole(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("old")
    with replace_file(path) as temporary:
        temporary.write_text("new")
        assert path.read_text() == "old"
    assert path.read_text() == "new"
    assert os.listdir(tmp_path) == ["a.txt"]


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_an_interrupted_write_leaves_the_old_file_and_nothing_else(
    tmp_path: Path, error: type[BaseException]
) -> None:
    path = tmp_path / "a.txt"
    path.write_text("old")

    def write() -> None:
        with replace_file(path) as temporary:
            temporary.write_text("half of the n")
            raise error

    with pytest.raises(error):
        write()
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["a.txt"]


def test_a_full_disk_is_one_sentence(tmp_path: Path) -> None:
    with (
        pytest.raises(InputError, match=r"a.txt cannot be written: No space left"),
        replace_file(tmp_path / "a.txt"),
    ):
        raise OSError(28, "No space left on device")


def test_permissions_stay_and_links_are_followed(tmp_path: Path) -> None:
    path, link = tmp_path / "a.txt", tmp_path / "link.txt"
    path.write_text("old")
    path.chmod(0o640)
    link.symlink_to(path)
    with replace_file(link) as temporary:
        temporary.write_text("new")
    assert link.is_symlink()
    assert path.read_text() == "new"
    assert stat.S_IMODE(path.stat().st_mode) == 0o640


def test_a_folder_and_a_missing_folder_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is a folder"):
        check_writable(tmp_path)
    with pytest.raises(InputError, match="there is no folder .*; make it first"):
        check_writable(tmp_path / "no" / "a.txt")


@pytest.mark.skipif(os.geteuid() == 0, reason="the superuser may write anywhere")
def test_a_folder_without_permission_is_refused(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    try:
        with pytest.raises(InputError, match="not yours to write to"):
            check_writable(tmp_path / "a.txt")
    finally:
        tmp_path.chmod(0o700)


@pytest.fixture
def special(tmp_path: Path) -> Iterator[Callable[[str], Path]]:
    """Return what makes a path that is there and is no regular file."""
    with socket.socket(socket.AF_UNIX) as channel, tempfile.TemporaryDirectory() as short:

        def make(kind: str) -> Path:
            if kind == "a socket":
                channel.bind(f"{short}/s")
                return Path(short, "s")
            if kind == "a pipe":
                os.mkfifo(tmp_path / "pipe")
                return tmp_path / "pipe"
            return {"a device": Path("/dev/full"), "a folder": tmp_path}[kind]

        yield make


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no such files here")
@pytest.mark.parametrize("linked", [False, True])
@pytest.mark.parametrize("kind", ["a device", "a pipe", "a socket", "a folder"])
def test_what_is_no_regular_file_is_refused_and_stays(
    special: Callable[[str], Path], tmp_path: Path, kind: str, linked: bool
) -> None:
    path = target = special(kind)
    if linked:
        path = tmp_path / "link"
        path.symlink_to(target)
    before = target.stat()
    with pytest.raises(InputError, match=f"is {kind}; give the path of a file"), replace_file(path):
        pass
    assert (target.stat().st_mode, target.stat().st_ino) == (before.st_mode, before.st_ino)


def test_a_link_to_nothing_yet_is_followed(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "new.txt")
    with replace_file(tmp_path / "link") as temporary:
        temporary.write_text("new")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "new.txt").read_text() == "new"


def test_paths_that_lead_nowhere(tmp_path: Path) -> None:
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    for path in (tmp_path / "loop", tmp_path / ("n" * 300), "nu\0ll"):
        with pytest.raises(InputError, match="cannot be used as a path"):
            check_writable(path)
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="there is no folder"):
        check_writable(tmp_path / "file" / "a.txt")


def test_a_file_that_lost_its_name_is_refused(tmp_path: Path) -> None:
    with tempfile.TemporaryFile(dir=tmp_path) as file:
        path = Path(f"/proc/self/fd/{file.fileno()}")
        if not path.exists():
            pytest.skip("open files have no paths here")
        with pytest.raises(InputError, match="a file without a name"):
            check_writable(path)
