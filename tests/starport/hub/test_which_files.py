"""Which files of a model are fetched, by the names of those that the hub has, and in which order."""

import json

import pytest

from starchart.errors import CheckpointError
from starport.hub.needed_files import needed_files, shard_names
from tests.starport.hub.hub_server import LARGE
from tests.starport.hub.runs import NEEDED
from tests.tiny_model import DEFAULTS, safetensors_bytes, tiny_tensors

VOCABULARY = ["vocab.json", "merges.txt"]
INDEX = "model.safetensors.index.json"
SHARDS = ["model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"]
EVERYTHING = [
    *(
        "pytorch_model.bin",
        "tf_model.h5",
        "flax_model.msgpack",
        "rust_model.ot",
        "64.tflite",
        "README.md",
        "config.json",
    ),
    *("model.safetensors", "onnx/model.onnx", "onnx/config.json", "tokenizer.json", "tokenizer_config.json"),
    *("generation_config.json", *VOCABULARY, ".gitattributes", "training_args.bin", "run.py"),
]


@pytest.mark.parametrize(
    ("names", "small", "weights"),
    [
        (EVERYTHING, ["config.json", *VOCABULARY, "generation_config.json"], ["model.safetensors"]),
        (["config.json", "tokenizer.json", INDEX, *SHARDS], ["config.json", "tokenizer.json"], [INDEX]),
        (["config.json", *VOCABULARY, "model.safetensors", INDEX], ["config.json", *VOCABULARY], ["model.safetensors"]),
        (["config.json", *VOCABULARY, "pytorch_model.bin"], ["config.json", *VOCABULARY], ["pytorch_model.bin"]),
        (["config.json", *VOCABULARY, INDEX, "pytorch_model.bin"], ["config.json", *VOCABULARY], [INDEX]),
        (["config.json", "tokenizer.json", "vocab.json", "x.npz"], ["config.json", "tokenizer.json"], ["x.npz"]),
        (["config.json", *VOCABULARY, "my.safetensors", "x.gguf"], ["config.json", *VOCABULARY], ["my.safetensors"]),
        (["config.json", "added_tokens.json", *VOCABULARY, "x.npz"],
         ["config.json", *VOCABULARY, "added_tokens.json"], ["x.npz"]),
        (["gpt2.Q8_0.gguf", "README.md"], [], ["gpt2.Q8_0.gguf"]),
        (["a.gguf", "b.gguf", "README.md"], [], ["a.gguf", "b.gguf"]),
    ],
    ids="+".join,
)  # fmt: skip
def test_what_is_needed(names, small, weights):
    for order in (names, names[::-1]):
        needed = needed_files(order)
        assert (needed.small, needed.weights, needed.missing) == (small, weights, [])


@pytest.mark.parametrize("name", ["../x.gguf", "a/b.gguf", "a\\b.gguf", "..gguf", ".x.gguf", "C:x.gguf", "x\n.gguf"])
def test_a_name_that_leads_elsewhere_is_no_file_of_weights(name):
    assert needed_files([name]).weights == []


def test_openais_tensorflow_checkpoint_comes_with_its_own():
    names = ["model.ckpt.index", "model.ckpt.data-00000-of-00001", "hparams.json", "encoder.json", "vocab.bpe"]
    needed = needed_files(names)
    assert (set(needed.small), needed.weights, needed.missing) == ({*names[1:]}, names[:1], [])
    assert needed_files(names[:-1]).missing == ["vocab.bpe"]


@pytest.mark.parametrize(
    "weight_map",
    [None, [], "x", {"a": 1}, {"a": None}, {"a": "../b.safetensors"}, {"a": "/b.bin"}, {"a": "b.py"}, {"a": ".bin"}],
    ids=str,
)
def test_an_index_that_names_no_shards(weight_map, tmp_path):
    index = tmp_path / INDEX
    index.write_text(json.dumps({"weight_map": weight_map}))
    with pytest.raises(CheckpointError, match=r"must hold a weight_map|is not the name of a .* in its own folder"):
        shard_names(index)


@pytest.fixture
def sharded(hub, tiny):
    """Put the tiny model into two shards with an index."""
    tensors = tiny_tensors(DEFAULTS | json.loads(tiny["config.json"]), 5)
    names = list(tensors)
    halves = {SHARDS[0]: names[:7], SHARDS[1]: names[7:]}
    weight_map = {name: shard for shard, held in halves.items() for name in held}
    files = {name: tiny[name] for name in ("config.json", *VOCABULARY)}
    files |= {INDEX: json.dumps({"metadata": {}, "weight_map": weight_map}).encode()}
    files |= {shard: safetensors_bytes({name: tensors[name] for name in held}) for shard, held in halves.items()}
    hub.models["org/sharded"] = {"main": files | {"pytorch_model.bin": b"x"}}
    return files


def test_shards(runs, hub, sharded, stories):
    assert runs.story("--model", "org/sharded") == stories[0]
    assert hub.files_asked_for() == ["config.json", *VOCABULARY, INDEX, *SHARDS]
    assert runs.story("--model", "org/sharded", python=("-S",)) == stories[0]


def test_a_model_without_one_of_its_shards_is_not_whole(runs, hub, sharded, stories):
    def second(request):
        return SHARDS[1] in request.path and (request.send(500) or True)

    hub.faults["storage"] = second
    assert "has an internal error (500)" in runs.complaint("--model", "org/sharded")
    assert set(runs.files()) == {"config.json", *VOCABULARY, SHARDS[0]}
    assert "it is not in the Hugging Face cache" in runs.complaint("--model", "org/sharded", HF_HUB_OFFLINE="1")
    hub.faults.clear()
    hub.requests.clear()
    assert runs.story("--model", "org/sharded") == stories[0]
    assert hub.files_asked_for() == [SHARDS[1]]


@pytest.mark.parametrize(
    ("shard", "words"),
    [
        ("../../../x.safetensors", "is not the name of a .safetensors or .bin file"),
        ("x.safetensors", "has no x.safetensors, which"),
    ],
)
def test_an_index_that_lies(shard, words, runs, hub, sharded):
    hub.models["org/sharded"]["main"] = sharded | {INDEX: json.dumps({"weight_map": {"wte.weight": shard}}).encode()}
    code, _, (line,) = runs.run("--model", "org/sharded")
    assert code == 2
    assert words in line
    assert not any(LARGE.fullmatch(name) for name in hub.files_asked_for())


@pytest.mark.parametrize(
    ("names", "words"),
    [
        (["config.json"], "holds no weights in a supported format; choose another model"),
        (["config.json", *VOCABULARY, "tf_model.h5"], "holds no weights in a supported format"),
        (["model.safetensors"], "holds no config.json and no vocab.json and no merges.txt; choose another model"),
        (["a.gguf", "b.gguf"], "more than one file of weights: 'a.gguf', 'b.gguf'; get one with `hf download org/odd "),
    ],
    ids=lambda value: "+".join(value) if isinstance(value, list) else "",
)  # fmt: skip
def test_a_repository_that_is_no_model(names, words, runs, hub):
    hub.models["org/odd"] = {"main": dict.fromkeys(names, b"x")}
    assert f"{hub.endpoint}/org/odd " in runs.complaint("--model", "org/odd")
    assert words in runs.complaint("--model", "org/odd")
    assert hub.files_asked_for() == []


@pytest.fixture
def folder(tiny, tmp_path):
    """The tiny model in a folder."""
    for name in NEEDED:
        (tmp_path / name).write_bytes(tiny[name])
    return tmp_path


def as_pytorch(folder):
    torch, load = pytest.importorskip("torch"), pytest.importorskip("safetensors.torch")
    torch.save(load.load_file(folder / "model.safetensors"), folder / "weights")


def as_npz(folder):
    numpy, load = pytest.importorskip("numpy"), pytest.importorskip("safetensors.numpy")
    with open(folder / "weights", "wb") as file:
        numpy.savez(file, **load.load_file(folder / "model.safetensors"))


def as_gguf(folder):
    pytest.importorskip("gguf")
    from tests.checkpoints.gguf.write_gguf import write_gguf  # noqa: PLC0415  it imports gguf

    write_gguf(folder / "weights", folder)


@pytest.mark.parametrize(
    ("weights", "write"), [("pytorch_model.bin", as_pytorch), ("gpt2.gguf", as_gguf), ("gpt2.npz", as_npz)]
)
def test_the_weights_may_be_of_another_format(weights, write, runs, hub, folder, stories):
    write(folder)
    files = {} if weights.endswith("gguf") else {name: (folder / name).read_bytes() for name in NEEDED[:3]}
    hub.models["org/odd"] = {"main": {weights: (folder / "weights").read_bytes(), **files}}
    assert runs.story("--model", "org/odd") == stories[0]
    assert hub.files_asked_for() == [*files, weights]
    assert runs.story("--model", "org/odd", python=("-S",)) == stories[0]
