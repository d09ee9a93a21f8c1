"""`from_pretrained` of a name: an existing path, then the box, then the Hugging Face cache; nothing is downloaded."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from starchart import GPT2, Tokenizer
from starchart.box.boxed_model import model_folder
from starchart.checkpoints.checkpoint import read_config
from starchart.errors import CheckpointError, VocabularyError
from tests.house.source_tree import ROOT, SRC
from tests.tiny_model import write_tiny_model

COMMIT, OTHER = "607a30d783dfa663caf39e06633721c8d4cfcd7e", "b" * 40
WEIGHTS = ("config.json", "model.safetensors")
VOCABULARY = ("vocab.json", "merges.txt")
IDS = [5, 260, 7]


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """An empty cache, the only one there is."""
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "cache"))
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    return tmp_path / "cache"


def put(cache: Path, name: str, files=WEIGHTS + VOCABULARY, seed=0, commit=COMMIT, revision="main") -> Path:
    """Put files of a tiny model into the cache, as links to blobs, and return their folder."""
    repository = cache / f"models--{name.replace('/', '--')}"
    folder, blobs = repository / "snapshots" / commit, repository / "blobs"
    for path in (folder, blobs, repository / "refs"):
        path.mkdir(parents=True, exist_ok=True)
    whole = write_tiny_model(cache.parent / "whole", seed=seed)
    for file in files:
        shutil.copy(whole / file, blobs / f"{commit}-{file}")
        (folder / file).symlink_to(os.path.relpath(blobs / f"{commit}-{file}", folder))
    (repository / "refs" / revision).write_text(commit)
    return folder


def logits(model, **settings):
    with GPT2.from_pretrained(model, **settings) as gpt2:
        return gpt2.logits(IDS)


@pytest.mark.parametrize("repository", ["openai-community/gpt2", "gpt2"])
@pytest.mark.parametrize("engine", ["reference", "packed"])
def test_gpt2_from_the_cache(engine, repository, cache):
    folder = put(cache, repository)
    assert logits("gpt2", engine=engine) == logits(folder, engine=engine)


def test_weights_without_a_vocabulary_are_enough(cache):
    # transformers fetches no vocabulary for GPT2LMHeadModel.from_pretrained, and no weights for a tokenizer.
    folder = put(cache, "org/weights", WEIGHTS)
    assert logits("org/weights") == logits(folder)
    put(cache, "org/words", VOCABULARY)
    assert Tokenizer.from_pretrained("org/words").vocab_size == 261


def test_of_two_names_the_one_that_has_what_is_asked_for(cache):
    put(cache, "openai-community/gpt2-xl", VOCABULARY)
    whole = put(cache, "gpt2-xl", WEIGHTS, seed=3)
    assert logits("gpt2-xl") == logits(whole)
    assert Tokenizer.from_pretrained("openai-community/gpt2-xl").vocab_size == 261


def test_what_exists_wins_over_the_box_and_the_cache(cache):
    put(cache, "gpt2", seed=1)
    for name in ("gpt2", "towel"):
        here = write_tiny_model(name, seed=2)
        assert logits(name) == logits(here.resolve()) != logits(put(cache, f"org/{name}", seed=1))
    assert GPT2.from_pretrained(Path("towel")).config.n_layer == 2


def test_the_box_wins_over_the_cache(cache):
    put(cache, "towel")
    assert read_config(model_folder("towel")).vocab_size == 3072


@pytest.mark.parametrize("variables", [{"HF_HOME": "a"}, {"XDG_CACHE_HOME": "b"}, {"HOME": "c", "USERPROFILE": "c"}])
def test_the_variables_of_the_cache(variables, cache, tmp_path, monkeypatch):
    for name in ("HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE", "HF_HOME", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, str(tmp_path / value))
    places = {"HF_HOME": "a/hub", "XDG_CACHE_HOME": "b/huggingface/hub", "HOME": "c/.cache/huggingface/hub"}
    folder = put(tmp_path / places[next(iter(variables))], "org/name")
    assert logits("org/name") == logits(folder)


def test_a_revision(cache):
    first = put(cache, "org/name", seed=1)
    second = put(cache, "org/name", seed=2, commit=OTHER, revision="v2")
    assert logits("org/name") == logits("org/name", revision="main") == logits("org/name", revision=COMMIT[:8])
    assert logits("org/name") == logits(first) != logits(second)
    assert logits("org/name", revision="v2") == logits("org/name", revision=OTHER) == logits(second)
    assert Tokenizer.from_pretrained("org/name", revision="v2").vocab_size == 261


def complaint(ask, *arguments, **settings):
    with pytest.raises((CheckpointError, VocabularyError)) as caught:
        ask(*arguments, **settings)
    assert isinstance(caught.value, VocabularyError if ask == Tokenizer.from_pretrained else CheckpointError)
    assert len(str(caught.value).splitlines()) == 1
    return str(caught.value)


BOTH = pytest.mark.parametrize("ask", [GPT2.from_pretrained, Tokenizer.from_pretrained], ids=["GPT2", "Tokenizer"])


@BOTH
@pytest.mark.parametrize("revision", [None, "v2"])
def test_what_to_do_where_it_is_not_cached(revision, ask, cache):
    put(cache, "org/name")
    name = "org/name" if revision else "org/other"
    at, option = (f" at revision {revision}", f" --revision {revision}") if revision else ("", "")
    assert complaint(ask, name, revision=revision) == (
        f"no model '{name}'{at}: there is no such file or folder, and it is not in the Hugging Face cache ({cache});"
        f" download it with `hf download {name}{option}` or `python -m starport generate --model {name}{option}`, which"
        " need huggingface_hub, or give a folder"
    )


def test_gpt2_that_is_not_cached(cache):
    said = complaint(GPT2.from_pretrained, "gpt2")
    assert said.startswith(
        f"no model 'gpt2': there is no such file or folder, and it is not in the Hugging Face cache ({cache})"
    )
    assert "`hf download openai-community/gpt2` or `python -m starport generate --model gpt2`" in said


def test_a_model_that_is_cached_in_part(cache):
    folder = put(cache, "org/name", ["config.json", *VOCABULARY])
    said = complaint(GPT2.from_pretrained, "org/name")
    assert f"and the Hugging Face cache has only other files of it ({folder}); download it with `hf download" in said
    put(cache, "org/none", WEIGHTS)
    assert "has only other files of it" in complaint(Tokenizer.from_pretrained, "org/none")
    # A link to a blob that never came is no file.
    put(cache, "org/broken", WEIGHTS).joinpath("model.safetensors").resolve().unlink()
    assert "has only other files of it" in complaint(GPT2.from_pretrained, "org/broken")


def test_weights_in_another_format_meet_the_message_of_the_loader(cache):
    (put(cache, "org/name", ["config.json"]) / "tf_model.h5").write_bytes(b"\x89HDF\r\n\x1a\n")
    assert "this format is not read; convert it with transformers" in complaint(GPT2.from_pretrained, "org/name")


@BOTH
@pytest.mark.parametrize("name", ["my-gpt2", "./my/gpt2", "a/b/c", "/nope"])
def test_what_is_no_name_of_the_hub_is_a_path(name, ask, cache):
    assert "no such folder" in complaint(ask, name)
    assert "is not a model of the hub; leave the revision out" in complaint(ask, name, revision="v2")


@BOTH
@pytest.mark.parametrize(("typed", "meant"), [("towl", "towel"), ("gpt-2", "gpt2"), ("gpt2-lage", "gpt2-large")])
def test_what_may_have_been_meant(ask, typed, meant, cache):
    assert complaint(ask, typed) == f"no model '{typed}': there is no such file or folder; did you mean '{meant}'?"


@BOTH
def test_a_revision_of_what_has_none(ask, cache):
    folder = write_tiny_model("some/model")
    for model in ("towel", "some/model", folder):
        said = complaint(ask, model, revision="v2")
        assert said == f"revision 'v2': '{model}' is not a model of the hub; leave the revision out"
    assert complaint(ask, "org/name", revision="../x") == (
        "revision '../x' is not the name of a branch, a tag or a commit"
    )


def test_it_needs_nothing_but_the_standard_library(cache):
    folder = put(cache, "org/name")
    program = (
        f"import sys; sys.path.insert(0, {str(SRC)!r})\n"
        "from starchart import GPT2, Tokenizer\n"
        "print(GPT2.from_pretrained('org/name').logits([5, 260, 7])[-1][0], Tokenizer.from_pretrained('org/name'))\n"
    )
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", program], cwd=ROOT, capture_output=True, text=True, check=True, timeout=120
    )
    assert done.stdout == f"{logits(folder)[-1][0]} {Tokenizer.from_pretrained(folder)}\n"
