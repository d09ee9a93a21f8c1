"""The pack cache: if anything in it is wrong, it is packed again, and no bit of a result changes."""

import json
import logging
import os
import shutil
import subprocess
import sys
import time
from contextlib import ExitStack
from pathlib import Path

import pytest

from starchart import GPT2
from starchart.checkpoints.checkpoint import load_checkpoint
from starchart.checkpoints.stored_tensor import rows_of
from starchart.engines.layout import lay_out_matrices
from starchart.engines.packed import pack_cache
from starchart.engines.packed.arithmetic.lanes import FAST, FULL
from starchart.engines.packed.pack_cache import PackCache, user_cache
from starchart.engines.packed.packed_engine import PackedEngine
from starchart.engines.packed.shard_filling import ShardFiller
from starchart.errors import EngineError
from tests.children import started
from tests.hanging import needs_pipes, no_hang, put_pipe
from tests.tiny_model import write_tiny_model

SRC = Path(__file__).resolve().parents[2] / "src"
IDS = [72, 101, 108, 108, 111]


@pytest.fixture
def model(tmp_path):
    return write_tiny_model(tmp_path / "model", seed=2, n_inner=7)


@pytest.fixture
def cache(tmp_path):
    return PackCache(tmp_path / "cache", 10**9)


def logits(model, cache, precision=FULL, workers=1):
    with GPT2.from_pretrained(model, PackedEngine(precision, workers, cache)) as gpt2:
        return gpt2.logits(IDS)


@pytest.fixture
def packings(monkeypatch):
    """How many layers were packed in this process."""
    counts = []
    pack = ShardFiller.pack_layer
    monkeypatch.setattr(ShardFiller, "pack_layer", lambda *arguments: (counts.append(1), pack(*arguments))[1])
    return counts


def only_pack(cache):
    (folder,) = cache.folder.iterdir()
    return folder


@pytest.mark.parametrize("precision", [FULL, FAST], ids=["full", "fast"])
def test_a_pack_is_used_by_any_number_of_workers(model, cache, packings, precision):
    expected = logits(model, None, precision)
    assert logits(model, cache, precision, workers=2) == expected
    packings.clear()
    assert [logits(model, cache, precision, workers) for workers in (1, 2, 3)] == [expected] * 3
    assert not packings
    assert sorted(path.name for path in only_pack(cache).iterdir()) == [
        "index.json",
        *(f"slice-{number:03}.bin" for number in range(3)),
    ]


def test_each_precision_and_checkpoint_has_its_own_pack(tmp_path, model, cache):
    other = write_tiny_model(tmp_path / "other", seed=3)
    expected = [logits(folder, None, precision) for folder in (model, other) for precision in (FULL, FAST)]
    for _ in range(2):
        assert [logits(folder, cache, p) for folder in (model, other) for p in (FULL, FAST)] == expected
    assert len(list(cache.folder.iterdir())) == 4


def test_a_changed_checkpoint_is_packed_again(tmp_path, model, cache):
    before = logits(model, cache)
    write_tiny_model(tmp_path / "new", seed=5, n_inner=7)
    shutil.copyfile(tmp_path / "new" / "model.safetensors", model / "model.safetensors")
    os.utime(model / "model.safetensors", ns=(1, 1))
    assert logits(model, cache) == logits(model, None) != before


def flip(position):
    def damage(path):
        content = bytearray(path.read_bytes())
        content[position % len(content)] ^= 4
        path.write_bytes(content)

    return damage


DAMAGES = {
    "first byte": flip(0),
    "a byte in the middle": flip(1000),
    "last byte": flip(-1),
    "cut short": lambda path: path.write_bytes(path.read_bytes()[:-1]),
    "empty": lambda path: path.write_bytes(b""),
    "foreign": lambda path: path.write_bytes(b"{}" * 3000),
    "removed": lambda path: path.unlink(),
    "a folder": lambda path: (path.unlink(), path.mkdir()),
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
@pytest.mark.parametrize("name", ["index.json", "slice-000.bin", "slice-002.bin"])
@pytest.mark.parametrize("workers", [1, 2])
def test_damage_is_noticed_and_the_pack_made_again(model, cache, packings, damage, name, workers):
    expected = logits(model, cache)
    damage(only_pack(cache) / name)
    packings.clear()
    assert logits(model, cache, workers=workers) == expected
    assert packings
    packings.clear()
    assert logits(model, cache) == expected
    assert not packings


def test_bounds_that_were_changed_are_noticed(model, cache, packings):
    # A bound that is too small would let lanes overflow.
    expected = logits(model, cache)
    index = only_pack(cache) / "index.json"
    values = json.loads(index.read_text())
    values["contents"]["bounds"]["lm_head"] //= 2
    index.write_text(json.dumps(values))
    packings.clear()
    assert logits(model, cache) == expected
    assert packings


@pytest.mark.parametrize("index", ["", "[]", "null", '{"contents": []}', "{" * 100_000, "\xff", '{"sha256": 1}'])
def test_an_index_of_another_kind(model, cache, index):
    expected = logits(model, cache)
    (only_pack(cache) / "index.json").write_text(index, "latin-1")
    assert logits(model, cache) == expected


def test_a_cache_folder_that_cannot_be_made(tmp_path, model, caplog):
    (tmp_path / "file").write_text("not a folder")
    assert logits(model, PackCache(tmp_path / "file", 10**9)) == logits(model, None)
    assert "is not kept in" in caplog.text


@pytest.mark.parametrize(
    ("free", "limit", "words"), [(1000, 10**9, "are free"), (10**9, 1000, "more than the limit of")]
)
def test_too_little_room(model, tmp_path, monkeypatch, caplog, free, limit, words):
    monkeypatch.setattr(pack_cache.shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(10**9, 0, free))
    cache = PackCache(tmp_path / "cache", limit)
    assert logits(model, cache) == logits(model, None)
    assert words in caplog.text
    assert not list(cache.folder.glob("*"))


@pytest.mark.skipif(sys.platform == "win32" or not Path("/dev/full").exists(), reason="needs /dev/full")
@pytest.mark.parametrize("workers", [1, 2])
def test_a_disk_that_is_full_in_the_middle(model, cache, monkeypatch, caplog, workers):
    begin = PackCache.begin

    def full_folder(self, size):
        folder = begin(self, size)
        (folder / "slice-002.bin").symlink_to("/dev/full")
        return folder

    monkeypatch.setattr(PackCache, "begin", full_folder)
    assert logits(model, cache, workers=workers) == logits(model, None)
    assert "No space left on device" in caplog.text
    assert not list(cache.folder.iterdir())


def test_the_packs_used_longest_ago_go_first(tmp_path, cache):
    models = [write_tiny_model(tmp_path / str(seed), seed=seed) for seed in range(4)]
    logits(models[0], cache)
    size = cache.packs()[0][1]
    small = PackCache(tmp_path / "cache", 3 * size + size // 2)
    for folder in models[1:3]:
        logits(folder, small)
    os.utime(next(cache.folder.iterdir()).parent)
    names = {name for name, _, _ in small.packs()}
    assert len(names) == 3
    for age, folder in enumerate(sorted(small.folder.iterdir(), key=lambda path: path.stat().st_ino)):
        os.utime(folder / "index.json", (1000 + age, 1000 + age))
    logits(models[0], small)  # used again, whichever it is
    logits(models[3], small)
    kept = {name.rpartition(" (")[0].rpartition("/")[2] for name, _, _ in small.packs()}
    assert {"0", "3"} <= kept
    assert len(kept) == 3


@pytest.mark.parametrize("packed_before", [False, True])
def test_what_a_killed_program_left_is_removed_after_an_hour(model, cache, packed_before):
    if packed_before:
        logits(model, cache)
    for name, hours in [("unfinished-old", 2), ("unfinished-new", 0)]:
        folder = cache.folder / name
        folder.mkdir(parents=True)
        (folder / "slice-000.bin").write_bytes(b"x" * 100)
        os.utime(folder / "slice-000.bin", (time.time() - hours * 3600,) * 2)
    logits(model, cache)
    assert {path.name for path in cache.folder.iterdir() if path.name.startswith("unfinished")} == {"unfinished-new"}


def test_nothing_of_others_is_touched(model, cache):
    photos = cache.folder / "photos"
    photos.mkdir(parents=True)
    (photos / "a.jpg").write_bytes(b"x" * 10**6)
    (cache.folder / "note.txt").write_text("hi")
    small = PackCache(cache.folder.parent, 100_000)
    logits(model, small)
    assert len(small.packs()) == 1
    small.clear()
    assert not small.packs()
    assert {path.name for path in cache.folder.iterdir()} == {"photos", "note.txt"}
    assert (photos / "a.jpg").stat().st_size == 10**6


def test_a_cache_moved_to_another_disk_by_a_link(model, cache, tmp_path):
    (tmp_path / "disk").mkdir()
    cache.folder.parent.mkdir()
    cache.folder.symlink_to(tmp_path / "disk")
    assert logits(model, cache) == logits(model, cache) == logits(model, None)
    assert cache.clear() > 0
    assert not list((tmp_path / "disk").iterdir())


def test_a_cache_that_can_only_be_read_is_used(model, cache, packings, monkeypatch):
    expected = logits(model, cache)
    packings.clear()
    monkeypatch.setattr(pack_cache.os, "utime", refused)
    assert logits(model, cache) == expected
    assert not packings


def refused(*_, **__):
    raise PermissionError


def test_a_checkpoint_whose_times_were_set_back_is_packed_again(tmp_path, model, cache):
    before = logits(model, cache)
    path = model / "model.safetensors"
    status = path.stat()
    shutil.copyfile(write_tiny_model(tmp_path / "new", seed=5, n_inner=7) / "model.safetensors", path)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert logits(model, cache) == logits(model, None) != before


def test_an_error_of_whoever_is_told_the_progress_is_theirs(model, cache):
    def broken(*_):
        raise BlockingIOError("the terminal is gone")

    with pytest.raises(BlockingIOError):
        GPT2.from_pretrained(model, PackedEngine(FULL, 1, cache, broken))
    assert not list(cache.folder.iterdir())


def test_ctrl_c_while_packing_leaves_no_folder(model, cache):
    def interrupted(what, done, total):
        if done == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        GPT2.from_pretrained(model, PackedEngine(FULL, 3, cache, interrupted))
    assert not list(cache.folder.iterdir())


def test_two_programs_that_start_together(model, tmp_path):
    program = (
        f"import sys; sys.path.insert(0, {str(SRC)!r}); from starchart import GPT2\n"
        "with GPT2.from_pretrained(sys.argv[1], 'packed') as gpt2: print(gpt2.logits([1, 2])[-1])"
    )
    variables = {**os.environ, "STARCHART_CACHE": str(tmp_path / "cache")}
    command = [sys.executable, "-c", program, model]
    with ExitStack() as stack:
        programs = [stack.enter_context(started(command, env=variables, stdout=subprocess.PIPE)) for _ in range(6)]
        said = {process.communicate(timeout=60)[0] for process in programs}
    assert len(said) == 1
    assert all(process.returncode == 0 for process in programs)
    assert len(list((tmp_path / "cache" / "packs").iterdir())) == 1


def test_where_the_cache_is(monkeypatch, tmp_path):
    for name in ("STARCHART_CACHE", "STARCHART_CACHE_GB", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr(Path, "home", lambda: tmp_path)
    assert user_cache().folder == tmp_path / ".cache" / "starchart" / "packs"
    assert user_cache().limit == 8 * 10**9
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert user_cache().folder == tmp_path / "xdg" / "starchart" / "packs"
    monkeypatch.setattr(sys, "platform", "darwin")
    assert user_cache().folder == tmp_path / "Library" / "Caches" / "starchart" / "packs"
    monkeypatch.setenv("STARCHART_CACHE", str(tmp_path / "own"))
    assert user_cache().folder == tmp_path / "own" / "packs"
    monkeypatch.setenv("STARCHART_CACHE_GB", "0.5")
    assert user_cache().limit == 5 * 10**8
    monkeypatch.setenv("STARCHART_CACHE", "relative")
    assert user_cache().folder == Path.cwd() / "relative" / "packs"
    monkeypatch.setenv("STARCHART_CACHE_GB", "0")
    assert user_cache() is None


@pytest.mark.parametrize("text", ["much", "10GB", "inf", "nan", "-1", "1e400"])
def test_a_limit_that_is_no_number_is_refused(monkeypatch, text):
    monkeypatch.setenv("STARCHART_CACHE_GB", text)
    with pytest.raises(EngineError, match="STARCHART_CACHE_GB is"):
        user_cache()


def test_no_home_no_cache(monkeypatch):
    def homeless():
        raise RuntimeError

    monkeypatch.delenv("STARCHART_CACHE", raising=False)
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setattr(Path, "home", homeless)
    assert user_cache() is None


def test_weights_in_memory_are_not_kept(model, cache, caplog):
    caplog.set_level(logging.WARNING)
    config, weights = load_checkpoint(model)
    in_memory = lay_out_matrices(weights, lambda _, m: [list(row) for row in rows_of(m)], lambda _, m: rows_of(m))
    assert GPT2(config, in_memory, PackedEngine(FULL, 1, cache)).logits(IDS) == logits(model, None)
    assert not cache.folder.exists()


def test_the_pack_of_a_gguf_is_shown_as_the_file(tmp_path):
    for number, file in enumerate(["model.gguf", "model.safetensors"]):
        folder = tmp_path / "packs" / f"{number:032x}"
        folder.mkdir(parents=True)
        description = {"files": [[str(tmp_path / file), 1, 2, 3]], "precision": "full"}
        contents = {"description": description, "lanes": {"lm_head": [56, 27], "h.0.mlp.c_fc": [52, 25]}}
        (folder / "index.json").write_text(json.dumps({"contents": contents}))
    shown = {name for name, _, _ in PackCache(tmp_path, 10**6).packs()}
    assert shown == {f"{name} (full, lanes of 52 and 56 bits)" for name in (tmp_path / "model.gguf", tmp_path)}


@needs_pipes
@pytest.mark.parametrize("name", ["index.json", "slice-000.bin"])
def test_a_pipe_in_a_pack_costs_the_pack(name, model, cache, packings):
    before = logits(model, cache)
    put_pipe(only_pack(cache) / name)
    with no_hang():
        assert logits(model, cache) == before
        assert len(cache.packs()) == 1
        packed = len(packings)
        assert logits(model, cache) == before
    assert len(packings) == packed > 0
