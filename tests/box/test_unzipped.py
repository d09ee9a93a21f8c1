"""The files of the box when the package is in a zip file: unpacked once, checked every time, never half-written."""

import os
import zipfile

import pytest

from starchart.box import unzipped as module
from starchart.box.boxed_model import model_folder
from starchart.errors import EngineError, StarchartError

FILES = {"model.safetensors": bytes(range(256)) * 50, "config.json": b'{"n_layer": 3}', "empty.txt": b""}


@pytest.fixture(autouse=True)
def places(tmp_path, monkeypatch):
    """Give this test its own cache folder and temporary folder, with nothing unpacked."""
    (tmp_path / "temporary").mkdir()
    monkeypatch.setenv("STARCHART_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(module.tempfile, "tempdir", str(tmp_path / "temporary"))
    monkeypatch.setattr(module, "unzipped", module.unzipped.__wrapped__)


@pytest.fixture
def boxed(tmp_path):
    """Return the path that the folder has inside of the zip file."""
    return write_zip(tmp_path / "a b.pyz", FILES) / "src" / "box" / "towel"


def write_zip(path, files):
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("src/box/boxed_model.py", "raise SystemError")
        for name, data in files.items():
            archive.writestr(f"src/box/towel/{name}", data)
        archive.writestr("src/box/towel2/other.txt", "not asked for")
    return path


def held(folder):
    return {file.name: file.read_bytes() for file in folder.iterdir()}


def test_outside_of_a_zip_file_nothing_is_done(tmp_path):
    for folder in (tmp_path, tmp_path / "missing"):
        assert module.unzipped(folder) == folder
    assert (model_folder("towel") / "config.json").is_file()
    assert not (tmp_path / "cache").exists()


def test_the_files_go_into_the_cache(boxed, tmp_path):
    folder = module.unzipped(boxed)
    assert folder.parent == tmp_path / "cache" / "box"
    assert folder.name.startswith("towel-")
    assert held(folder) == FILES


def test_what_is_there_is_not_written_again(boxed):
    folder = module.unzipped(boxed)
    written = {file: file.stat().st_ino for file in folder.iterdir()}
    assert module.unzipped(boxed) == folder
    assert {file: file.stat().st_ino for file in folder.iterdir()} == written


@pytest.mark.parametrize("damage", [b"", FILES["model.safetensors"][:-1], FILES["model.safetensors"][::-1]])
def test_what_is_damaged_is_written_again(boxed, damage):
    folder = module.unzipped(boxed)
    (folder / "model.safetensors").write_bytes(damage)
    assert module.unzipped(boxed) == folder
    assert held(folder) == FILES


def test_of_two_programs_the_first_wins(boxed, monkeypatch):
    first = {}
    rename = module.os.rename

    def late(source, target):  # another program unpacks it just before this one is done
        if not first:
            first["another"] = 1
            other = module.unzipped(boxed)
            first.update({file: file.stat().st_ino for file in other.iterdir()})
        rename(source, target)

    monkeypatch.setattr(module.os, "rename", late)
    folder = module.unzipped(boxed)
    assert first.pop("another")
    assert {file: file.stat().st_ino for file in folder.iterdir()} == first  # it may have them open by now
    assert held(folder) == FILES
    assert [path.name for path in folder.parent.iterdir()] == [folder.name]


def test_a_missing_file_is_written_again(boxed):
    folder = module.unzipped(boxed)
    (folder / "config.json").unlink()
    assert held(module.unzipped(boxed)) == FILES


def test_another_version_has_another_folder(boxed, tmp_path):
    other = write_zip(tmp_path / "other.pyz", FILES | {"config.json": b'{"n_layer": 4}'}) / "src" / "box" / "towel"
    assert module.unzipped(other) != module.unzipped(boxed)
    assert held(module.unzipped(boxed)) == FILES


def in_the_way(tmp_path, folder):
    (folder / "model.safetensors").unlink()
    (folder / "model.safetensors").mkdir()


def no_folder(tmp_path, folder):
    os.environ["STARCHART_CACHE"] = str(tmp_path / "a b.pyz")  # a file, below which there can be no folder


def nothing_kept(tmp_path, folder):
    os.environ["STARCHART_CACHE_GB"] = "0"


@pytest.mark.parametrize("obstacle", [in_the_way, no_folder, nothing_kept])
def test_where_nothing_can_be_kept_it_is_temporary(boxed, tmp_path, monkeypatch, obstacle):
    monkeypatch.setenv("STARCHART_CACHE_GB", "1")  # so that it is as before afterwards
    obstacle(tmp_path, module.unzipped(boxed))
    folder = module.unzipped(boxed)
    assert folder.parent == tmp_path / "temporary"
    assert held(folder) == FILES


def test_a_write_that_fails_leaves_nothing(boxed, tmp_path, monkeypatch):
    def full(source, target):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(module.os, "rename", full)
    monkeypatch.setattr(module.os, "replace", full)
    with pytest.raises(StarchartError, match=r"a b\.pyz: towel cannot be unpacked: No space left on device"):
        module.unzipped(boxed)
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == [tmp_path / "a b.pyz"]


def test_a_damaged_zip_file_is_refused(boxed, tmp_path):
    whole = (tmp_path / "a b.pyz").read_bytes()
    (tmp_path / "a b.pyz").write_bytes(whole.replace(b'{"n_layer": 3}', b'{"n_layer": 4}'))
    with pytest.raises(StarchartError, match="towel cannot be unpacked: Bad CRC-32"):
        module.unzipped(boxed)
    (tmp_path / "a b.pyz").write_bytes(whole[:200])
    with pytest.raises(StarchartError, match="towel cannot be unpacked: File is not a zip file"):
        module.unzipped(boxed)


def test_a_limit_that_is_no_number_is_refused(boxed, monkeypatch):
    monkeypatch.setenv("STARCHART_CACHE_GB", "much")
    with pytest.raises(EngineError, match="STARCHART_CACHE_GB is 'much'"):
        module.unzipped(boxed)
