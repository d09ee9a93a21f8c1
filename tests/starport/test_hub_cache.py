"""Models by name in the Hugging Face cache: where they are searched, when one counts as cached, and the messages."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from starchart.box.boxed_model import model_folder
from starchart.errors import CheckpointError
from starchart.hub_cache import cache_folder
from starport.cli import main
from starport.hub.find_model import cached_model, find_model
from starport.hub.needed_files import missing_files
from tests.tiny_model import write_tiny_model

VARIABLES = ["HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE", "HF_HOME", "XDG_CACHE_HOME"]
COMMIT = "607a30d783dfa663caf39e06633721c8d4cfcd7e"
FILES = ["config.json", "model.safetensors", "vocab.json", "merges.txt"]
OFFLINE = "cannot be downloaded: HF_HUB_OFFLINE is set; unset it; or put config.json, "


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """An empty cache, the only one there is."""
    for variable in VARIABLES:
        monkeypatch.delenv(variable, raising=False)
    folder = tmp_path / "home" / "cache"
    folder.mkdir(parents=True)
    monkeypatch.setenv("HF_HUB_CACHE", str(folder))
    monkeypatch.chdir(folder.parent)
    return folder


def put(cache: Path, name: str, files: list[str], commit: str = COMMIT) -> Path:
    """Put empty files of a model into the cache and return their folder."""
    repository = cache / f"models--{name}"
    snapshot = repository / "snapshots" / commit
    snapshot.mkdir(parents=True)
    for file in files:
        (snapshot / file).touch()
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text(commit)
    return snapshot


def complaint(name: str | None, revision: str | None = None) -> str:
    with pytest.raises(CheckpointError) as caught:
        find_model(name, revision)
    assert len(str(caught.value).splitlines()) == 1
    return str(caught.value)


# Each variable wins over those after it; without any, the folder is below the home.
@pytest.mark.parametrize(
    ("first", "expected"),
    [(0, "a0"), (1, "a1"), (2, "a2/hub"), (3, "a3/huggingface/hub"), (4, "home/.cache/huggingface/hub")],
)
def test_the_order_of_the_variables(first, expected, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("USERPROFILE", str(tmp_path / "home"))
    for index, variable in enumerate(VARIABLES):
        monkeypatch.setenv(variable, str(tmp_path / f"a{index}") if index >= first else "")
    assert cache_folder() == tmp_path / expected


@pytest.mark.parametrize(
    "variables",
    [
        *(dict.fromkeys(VARIABLES[first:], "there") for first in range(5)),
        {"HF_HUB_CACHE": "~/$PART/there"},
        {"HF_HOME": "~/there"},
    ],
    ids=lambda variables: "+".join(variables) or "none",
)
def test_the_folder_is_that_of_huggingface_hub(variables, tmp_path, monkeypatch):
    pytest.importorskip("huggingface_hub")
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value.replace("there", str(tmp_path / name)) if value == "there" else value)
    monkeypatch.setenv("PART", "of-it")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    program = "from huggingface_hub.constants import HF_HUB_CACHE; print(HF_HUB_CACHE)"
    said = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60
    ).stdout
    assert cache_folder() == Path(said.removesuffix("\n"))


@pytest.mark.parametrize(
    "vocabulary", [["vocab.json", "merges.txt"], ["tokenizer.json"], ["tokenizer.json", "vocab.json"]]
)
@pytest.mark.parametrize("weights", ["model.safetensors", "model.safetensors.index.json"])
def test_a_whole_model_is_found(weights, vocabulary, cache):
    folder = put(cache, "some.org--my_model-2", ["config.json", weights, *vocabulary])
    assert find_model("some.org/my_model-2") == (folder, "model some.org/my_model-2 from the Hugging Face cache")
    assert cached_model("my_model-2") is None


def test_gpt2_is_that_of_its_organisation_before_the_bare_name(cache):
    bare = put(cache, "gpt2", FILES)
    assert cached_model("gpt2") == bare
    assert cached_model("openai-community/gpt2") is None
    moved = put(cache, "openai-community--gpt2", FILES)
    assert cached_model("gpt2") == cached_model("openai-community/gpt2") == moved
    assert find_model(None)[0] == moved


def test_a_whole_model_under_the_bare_name_wins_over_a_part(cache):
    put(cache, "openai-community--gpt2", FILES[:2])
    whole = put(cache, "gpt2", FILES)
    assert cached_model("gpt2") == whole


@pytest.mark.parametrize(
    ("files", "lacks"),
    [
        (FILES[1:], "no config.json)"),
        (["config.json", "vocab.json", "merges.txt"], "no model.safetensors)"),
        (FILES[:3], "no merges.txt)"),
        (["config.json"], "no model.safetensors and no vocab.json and no merges.txt)"),
        (["tokenizer.json"], "no config.json and no model.safetensors)"),
    ],
    ids=lambda value: "+".join(value) if isinstance(value, list) else "",
)
@pytest.mark.parametrize("name", ["gpt2", "openai-community/gpt2"])
def test_a_model_downloaded_in_part(name, files, lacks, cache):
    folder = put(cache, "openai-community--gpt2", files)
    line = complaint(name)
    assert f"it is only partly in the Hugging Face cache ({folder} has {lacks} and {OFFLINE}" in line


def test_without_a_name_it_is_gpt2_or_the_model_in_the_box(cache):
    for state, files in (("not", None), ("only partly", FILES[1:])):
        if files:
            put(cache, "openai-community--gpt2", files)
        folder, line = find_model(None)
        reason = f"gpt2 is {state} in the Hugging Face cache and cannot be downloaded: HF_HUB_OFFLINE is set"
        assert line == f"model towel from the box, as {reason}"
        assert missing_files(folder) == []
    whole = put(cache, "gpt2", FILES)
    assert find_model(None) == (whole, "model gpt2 from the Hugging Face cache")
    assert find_model("towel") == (folder, "model towel from the box")


def test_a_folder_of_that_name_wins_over_the_box(tmp_path, cache, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "towel").mkdir()
    assert find_model("towel")[0] == Path("towel")
    assert model_folder("towel") == Path("towel")


def test_a_part_of_a_model_whose_files_we_do_not_know(cache):
    put(cache, "org--name", FILES[:2])
    assert "has no vocab.json and no merges.txt)" in complaint("org/name")


def test_a_link_to_nothing_is_a_missing_file(cache):
    # In the cache the files are links to blobs; a download that was cut off leaves them out or leading nowhere.
    folder = put(cache, "gpt2", FILES[1:])
    try:
        (folder / "config.json").symlink_to(cache / "models--gpt2" / "blobs" / "0")
    except OSError:
        pytest.skip("this system lets nobody make links")
    assert missing_files(folder) == ["config.json"]


@pytest.mark.parametrize("weights", ["tf_model.h5", "flax_model.msgpack"])
def test_weights_in_another_format_meet_the_message_of_the_loader(weights, cache, capsys):
    folder = write_tiny_model(put(cache, "org--name", []))
    (folder / "model.safetensors").unlink()
    (folder / weights).write_bytes(b"\x89HDF\r\n\x1a\n")
    assert main(["generate", "Hi", "--model", "org/name"]) == 2
    assert f"{weights}: this format is not read; convert it with transformers" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["gpt2", "org/name"])
def test_what_is_not_there_and_cannot_be_fetched(name, cache):
    assert complaint(name) == (
        f"no model '{name}' (--model): there is no such folder, it is not in the Hugging Face cache ({cache}) and"
        f" {OFFLINE}model.safetensors, vocab.json and merges.txt into a folder and give it with --model DIR, or take"
        " the model in the box with --model towel"
    )


def test_a_name_that_the_hub_cannot_have(cache):
    assert "cannot be downloaded: models of the hub are called ORG/NAME; check the name; or put" in complaint("my-gpt2")


def test_what_says_that_nothing_may_be_fetched(cache, monkeypatch):
    for value in ("1", "on", "Yes", "TRUE"):
        monkeypatch.setenv("HF_HUB_OFFLINE", value)
        assert OFFLINE in complaint("org/name")
    monkeypatch.delenv("HF_HUB_OFFLINE")
    monkeypatch.setenv("TRANSFORMERS_OFFLINE", "1")
    assert "TRANSFORMERS_OFFLINE is set; unset it" in complaint("org/name")


def test_shards_that_are_missing(cache):
    folder = put(cache, "org--name", ["config.json", "tokenizer.json", "a.safetensors"])
    index = folder / "model.safetensors.index.json"
    for file, missing in (("a.safetensors", []), ("b.safetensors", ["b.safetensors"]), ("../b.safetensors", [])):
        index.write_text(json.dumps({"weight_map": {"wte.weight": file}}))
        assert missing_files(folder) == missing  # for names that are not strings the loader has a message


def test_a_revision(cache):
    main = put(cache, "org--name", FILES)
    commit = "a" * 40
    other = main.parent / commit
    shutil.copytree(main, other)
    references = cache / "models--org--name" / "refs"
    (references / "pr").mkdir()
    for revision in ("v1.0", "pr/1"):
        (references / revision).write_text(commit)
        assert find_model("org/name", revision) == (
            other, f"model org/name at revision {revision} from the Hugging Face cache",
        )  # fmt: skip
    assert cached_model("org/name", commit) == other
    assert cached_model("org/name", COMMIT) == cached_model("org/name") == main
    assert "no model 'org/name' at revision v2 (--model)" in complaint("org/name", "v2")


@pytest.mark.parametrize(
    "revision", ["../main", "..", ".", "", "/main", "a/../main", "main/", "-x", "a\\b", "a\0b", "~", "a b"]
)
def test_no_revision_reaches_out_of_its_folder(revision, cache):
    put(cache, "org--name", FILES)
    (cache / "models--org--name" / "refs" / "a").mkdir()
    assert cached_model("org/name", revision) is None
    assert complaint("org/name", revision).endswith(f"{revision!r} is not the name of a branch, a tag or a commit")


def test_a_revision_of_what_has_none(cache, tmp_path):
    assert "of which model? name one of the hub with --model" in complaint(None, "v1")
    for name in ("towel", str(tmp_path)):
        assert f"{name} is not a model of the hub; leave it out" in complaint(name, "v1")


@pytest.mark.parametrize(
    "content", ["../../x", "..", ".", "", "/", "a/b", "a\\b", "a\0b", "a\nb", "\u00e9", "C:x"], ids=ascii
)
def test_a_reference_that_leads_elsewhere_is_not_followed(content, cache):
    folder = put(cache, "org--name", FILES)
    for decoy in (cache / "models--org--name" / "x", cache / "x", folder.parent, folder.parent / "a" / "b"):
        decoy.mkdir(exist_ok=True, parents=True)
        for file in FILES:
            (decoy / file).touch()
    assert cached_model("org/name") == folder
    (cache / "models--org--name" / "refs" / "main").write_text(content, encoding="utf-8")
    assert cached_model("org/name") is None


def test_a_reference_that_is_no_text_or_not_there(cache):
    put(cache, "org--name", FILES)
    reference = cache / "models--org--name" / "refs" / "main"
    reference.write_bytes(b"\xff\xfe")
    assert cached_model("org/name") is None
    reference.unlink()
    assert cached_model("org/name") is None
    reference.mkdir()
    assert cached_model("org/name") is None


def test_a_reference_to_a_snapshot_that_is_gone(cache):
    put(cache, "org--name", FILES).rename(cache / "gone")
    assert "it is not in the Hugging Face cache" in complaint("org/name")


# What names like these would reach if they were joined to a path as they are.
HOSTILE = [
    "../x",
    "..",
    ".",
    "",
    "/",
    "a/b/c",
    "a/..",
    "a/../../x",
    "/etc",
    "a\\..\\x",
    "C:x",
    "a\0b",
    "a/",
    "-x",
    "~",
    "x" * 5000,
]


@pytest.mark.parametrize("name", HOSTILE, ids=lambda name: ascii(name)[:12])
def test_no_name_reaches_out_of_the_cache(name, cache, monkeypatch):
    for decoy in (cache, cache.parent, cache.parent / "x", cache / "a" / "b" / "c", cache / "x"):
        put(decoy, "..--x", FILES)
        for kind in ("refs", "snapshots"):
            (decoy / kind).mkdir(exist_ok=True)
        (decoy / "refs" / "main").write_text(COMMIT)
    touched: list[str] = []
    for function in ("stat", "lstat", "open"):
        original = getattr(os, function)
        monkeypatch.setattr(
            os, function, lambda path, *a, o=original, **k: touched.append(str(path)) or o(path, *a, **k)
        )
    read_text = Path.read_text
    monkeypatch.setattr(Path, "read_text", lambda self, *a, **k: touched.append(str(self)) or read_text(self, *a, **k))
    assert cached_model(name) is None
    monkeypatch.undo()
    outside = [path for path in touched if not Path(os.path.normpath(path)).is_relative_to(cache)]
    assert outside == []


@pytest.mark.parametrize(
    "name", [name for name in HOSTILE if name not in ("..", ".", "/", "/etc")], ids=lambda n: ascii(n)[:12]
)
def test_a_name_that_is_none_gets_one_line(name, cache):
    assert complaint(name).startswith(("no model ", "no such file or folder: "))


@pytest.mark.parametrize("name", ["/nope", "./nope", "~/nope", "a/b/c", "nope/", "x.gguf", "a/x.safetensors", "a\\b"])
def test_a_path_that_is_not_there(name, cache):
    assert complaint(name) == f"no such file or folder: {name}"


@pytest.mark.skipif(os.name == "nt", reason="as POSIX systems have it")
def test_what_may_not_be_entered_and_what_is_no_file(cache, tmp_path, monkeypatch):
    assert complaint("/dev/null") == "/dev/null: is a pipe or a device; give a model file or a folder"
    folder = tmp_path / "closed"
    folder.mkdir()
    monkeypatch.setattr(os, "access", lambda path, mode: False)  # root may enter every folder
    assert complaint(str(folder)) == f"{folder}: permission denied; this folder cannot be entered"

    def denied(*_, **__):
        raise PermissionError

    with monkeypatch.context() as patch:
        patch.setattr(os, "stat", denied)
        line = complaint(str(folder / "model"))
    assert "permission denied; a folder in this path" in line


def test_a_short_commit(cache):
    main = put(cache, "org--name", FILES)
    assert find_model("org/name", COMMIT[:7])[0] == main
    assert cached_model("org/name", COMMIT[:12].upper()) == main
    assert cached_model("org/name", COMMIT[:6]) is None
    shutil.copytree(main, main.parent / (COMMIT[:10] + "f" * 30))
    assert cached_model("org/name", COMMIT[:10]) is None  # which of the two?
    assert cached_model("org/name", COMMIT[:11]) == main
