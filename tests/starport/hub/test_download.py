"""Models by name, from a hub on this machine: what is requested, what is kept, and what a second run requests."""

import json
import subprocess
import sys

import pytest

from tests.starport.hub.hub_server import checksum, commit_of
from tests.starport.hub.runs import NEEDED, ROOT, Runs


def test_a_model_is_downloaded_once(runs, hub, stories):
    code, output, errors = runs.run("--model", "org/tiny")
    assert (code, output) == (0, stories[0])
    assert errors == [
        f"downloading org/tiny from {hub.endpoint} to {runs.cache}, 0.1 MB;"
        " Ctrl-C stops it, and the next run continues it",
        f"model org/tiny from {hub.endpoint}; packed engine; seed 3",
    ]
    assert hub.files_asked_for() == NEEDED  # the weights last
    assert [(request.server, request.method) for request in hub.requests] == [
        *[("hub", "GET")] * 5, ("storage", "GET"),
    ]  # fmt: skip
    hub.requests.clear()
    code, output, errors = runs.run("--model", "org/tiny")
    assert (code, output, hub.requests) == (0, stories[0], [])
    assert errors == ["model org/tiny from the Hugging Face cache; packed engine; seed 3"]


def test_a_second_run_needs_no_library_and_no_hub(runs, hub, stories):
    runs.story("--model", "org/tiny")
    for options in ({"python": ("-S",)}, {"HF_HUB_OFFLINE": "1"}, {"HF_ENDPOINT": "http://127.0.0.1:9"}):
        assert runs.story("--model", "org/tiny", **options) == stories[0]


def test_the_cache_is_that_of_huggingface_hub(runs, hub, tiny):
    runs.story("--model", "org/tiny")
    runs.story("--model", "org/tiny", "--revision", "v1.0")
    program = """
import json
from huggingface_hub import hf_hub_download, scan_cache_dir, verify_repo_checksums
local = [hf_hub_download("org/tiny", name, local_files_only=True) for name in ("config.json", "model.safetensors")]
found = scan_cache_dir()
(repository,) = found.repos
verified = verify_repo_checksums("org/tiny")
print(json.dumps([
    [open(path, "rb").read().hex() for path in local],
    [str(warning) for warning in found.warnings], repository.repo_id, sorted(repository.refs),
    sorted(file.file_name for file in repository.refs["main"].files),
    len(verified.mismatches), verified.checked_count,
]))
"""
    done = subprocess.run(
        [sys.executable, "-c", program], env=runs.environment(), capture_output=True, check=True, timeout=100
    )
    contents, *rest = json.loads(done.stdout)
    assert contents == [tiny[name].hex() for name in ("config.json", "model.safetensors")]
    assert rest == [[], "org/tiny", ["main", "v1.0"], sorted(NEEDED), 0, 4]
    hub.requests.clear()
    program = (
        "from huggingface_hub import snapshot_download as s; s('org/tiny', allow_patterns=['*.safetensors', '*.json'])"
    )
    subprocess.run(
        [sys.executable, "-c", program], env=runs.environment(), capture_output=True, check=True, timeout=100
    )
    assert set(hub.files_asked_for()) == {"tokenizer.json"}  # ours it takes as its own


def test_what_huggingface_hub_has_downloaded_in_part_is_not_fetched_again(runs, hub, stories):
    # It also shows that the server here speaks as the library expects it to.
    program = """
from huggingface_hub import hf_hub_download
for name in ("model.safetensors", "vocab.json"):
    hf_hub_download("org/tiny", name)
"""
    subprocess.run(
        [sys.executable, "-c", program], env=runs.environment(), capture_output=True, check=True, timeout=100
    )
    hub.requests.clear()
    code, output, errors = runs.run("--model", "org/tiny")
    assert (code, output) == (0, stories[0])
    assert errors == [f"model org/tiny from {hub.endpoint}; packed engine; seed 3"]
    assert hub.files_asked_for() == ["config.json", "merges.txt"]


def test_the_token_is_for_the_hub_alone(runs, hub):
    runs.story("--model", "org/tiny", HF_TOKEN="hf_secret")
    for request in hub.requests:
        sent = [value for value in request.headers.values() if "secret" in value]
        assert sent == (["Bearer hf_secret"] if request.server == "hub" else [])
    assert "storage" in {request.server for request in hub.requests}


@pytest.mark.parametrize("revision", ["v1.0", "refs/pr/1", "commit"])
def test_revisions(revision, runs, hub, other, stories):
    name = commit_of(other) if revision == "commit" else revision
    arguments = ("--model", "org/tiny", "--revision", name)
    code, output, errors = runs.run(*arguments)
    assert (code, output) == (0, stories[1])
    assert errors[-1] == f"model org/tiny at revision {name} from {hub.endpoint}; packed engine; seed 3"
    assert runs.story(*arguments, HF_HUB_OFFLINE="1") == stories[1]
    assert runs.story("--model", "org/tiny") == stories[0]
    assert runs.story(*arguments, HF_HUB_OFFLINE="1") == stories[1]


def test_files_that_two_revisions_share_are_fetched_once(runs, hub, tiny, other):
    runs.story("--model", "org/tiny")
    hub.requests.clear()
    runs.story("--model", "org/tiny", "--revision", "v1.0")
    changed = [name for name in NEEDED if checksum(name, tiny[name]) != checksum(name, other[name])]
    assert hub.files_asked_for() == changed == ["model.safetensors"]


@pytest.mark.parametrize("name", ["distilgpt2", "gpt2", "gpt2-medium", "gpt2-large", "gpt2-xl"])
def test_the_names_of_the_well_known(name, runs, hub, other, stories):
    organisation = "distilbert" if name == "distilgpt2" else "openai-community"
    hub.models[f"{organisation}/{name}"] = {"main": other}
    assert runs.story("--model", name) == stories[1]
    assert (runs.cache / f"models--{organisation}--{name}" / "refs" / "main").read_text() == commit_of(other)


def test_without_a_name_gpt2_is_downloaded_where_the_hub_answers(runs, hub, other, stories):
    hub.models["openai-community/gpt2"] = {"main": other}
    code, output, errors = runs.run()
    assert (code, output) == (0, stories[1])
    assert errors == [
        f"downloading openai-community/gpt2 from {hub.endpoint} to {runs.cache}, 0.1 MB;"
        " Ctrl-C stops it; --model towel needs no download",
        f"model gpt2 from {hub.endpoint}; packed engine; seed 3",
    ]
    assert runs.run(HF_HUB_OFFLINE="1")[1:] == (
        stories[1], ["model gpt2 from the Hugging Face cache; packed engine; seed 3"],
    )  # fmt: skip


def test_a_model_that_has_moved(runs, hub, other, stories):
    """The hub leads from an old name to the new one by a redirect without a host."""

    def moved(request):
        if "/org/old" not in request.path:
            return False
        request.send(307, Location=request.path.replace("/org/old", "/org/tiny"))
        return True

    hub.faults |= {"list": moved, "file": moved}
    assert runs.story("--model", "org/old", HF_TOKEN="hf_secret") == stories[0]


def test_two_programs_at_once_fetch_the_weights_once(runs, hub, stories):
    with runs.start("--model", "org/tiny") as one, runs.start("--model", "org/tiny") as other:
        assert [process.communicate(timeout=100)[0].decode() for process in (one, other)] == [stories[0]] * 2
    assert [request.server for request in hub.requests].count("storage") == 1


def test_other_commands_find_it_too(runs, tmp_path, other):
    text = tmp_path / "text"
    text.write_text("Hello")
    copy = tmp_path / "copy"
    for command in (
        ["score", str(text), "--model", "org/tiny"],
        ["inspect", "org/tiny"],
        ["convert", "org/tiny", str(copy), "--format", "safetensors"],
    ):
        done = subprocess.run(
            [sys.executable, "-m", "starport", *command, "--revision", "v1.0"],
            env=runs.environment(PYTHONPATH=str(ROOT / "src")),
            cwd=ROOT,
            capture_output=True,
            check=False,
            timeout=100,
        )
        assert done.returncode == 0, done.stderr
    assert sorted(runs.files()) == sorted(NEEDED)
    assert runs.files()["model.safetensors"] == other["model.safetensors"]
    assert (copy / "config.json").exists()


def test_runs_are_without_the_variables_of_the_suite(runs):
    assert isinstance(runs, Runs)
    assert "HF_HUB_OFFLINE" not in runs.environment()
