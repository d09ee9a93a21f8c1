"""docs/NAMES.md, compared with a run: every name, every shape, and transformers' values under the names it gives."""

import re
from dataclasses import fields, is_dataclass

import pytest

from starchart import GPT2
from starchart.checkpoints.checkpoint import load_checkpoint
from starchart.tap import Recording
from tests.house.source_tree import ROOT
from tests.read_matrices import read_matrices
from tests.tiny_model import write_tiny_model

OLD, NEW = [1, 260, 7], [5, 5, 200, 31, 90]
SIZES = {"T": 5, "S": 8, "C": 12, "F": 17, "V": 261, "P": 16, "H": 3, "D": 4}
BLOCKS = 2


def table(section: str, columns: int) -> list[list[str]]:
    """Return the rows of the table in a section of docs/NAMES.md, one for each block where N is its number."""
    text = (ROOT / "docs" / "NAMES.md").read_text(encoding="utf-8").split(f"\n## {section}\n")[1].split("\n## ")[0]
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines() if line.startswith("|")]
    assert all(len(row) == columns for row in rows)
    return [
        [re.sub(r"\bN\b", str(block), cell) for cell in row]
        for row in rows[2:]
        for block in (range(BLOCKS) if "N" in row[0] else [0])
    ]


def size(axis: str) -> int:
    """Return the length of an axis such as T, 3C or 0."""
    return int(axis) if axis.isdigit() else int(axis[:-1] or 1) * SIZES[axis[-1]]


def shapes(rows: list[list[str]]) -> dict[str, list[int]]:
    return {row[0].strip("`"): [size(axis) for axis in re.findall(r"\w+", row[1])] for row in rows}


def shape(value) -> list[int]:
    return [len(value), *shape(value[0])] if hasattr(value, "__len__") else []


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    sizes = {"n_layer": BLOCKS, "n_embd": SIZES["C"], "n_head": SIZES["H"], "n_inner": SIZES["F"]}
    return write_tiny_model(tmp_path_factory.mktemp("names"), tie_word_embeddings=False, **sizes)


@pytest.fixture(scope="module")
def values(folder):
    """Return what a tap sees of five tokens that come after three in the cache."""
    recording = Recording()
    with GPT2.from_pretrained(folder) as gpt2:
        _, cache = gpt2.read(OLD)
        gpt2.read(NEW, cache, last_only=False, tap=recording)
    return recording


def test_the_values_of_a_run_are_those_of_the_table(values):
    rows = table("Values", 5)
    assert {name: shape(value) for name, value in values.items()} == shapes(rows)
    assert [name for name in values if "h.1." not in name] == [name for name in shapes(rows) if "h.1." not in name]


def named_weights(value, name=""):
    if is_dataclass(value):
        for field in fields(value):
            yield from named_weights(getattr(value, field.name), f"{name}.{field.name}")
    elif isinstance(value, tuple):
        for index, item in enumerate(value):
            yield from named_weights(item, f"{name}.{index}")
    elif value is not None:
        yield name.removeprefix("."), value


def test_the_weights_of_a_checkpoint_are_those_of_the_table(folder):
    _, weights = load_checkpoint(folder)
    assert {name: shape(value) for name, value in named_weights(read_matrices(weights))} == shapes(table("Weights", 4))


def test_hugging_face_names_of_the_weights(folder):
    transformers = pytest.importorskip("transformers")
    state = transformers.GPT2LMHeadModel.from_pretrained(folder).state_dict()
    rows = [[row[2], row[1]] for row in table("Weights", 4)]
    assert {name: list(tensor.shape) for name, tensor in state.items()} == shapes(rows)


@pytest.fixture(scope="module")
def hugging_face(folder):
    """Return transformers' values for the new tokens, [T][...] in float64, under the terms of the table."""
    torch, transformers = pytest.importorskip("torch"), pytest.importorskip("transformers")
    model = transformers.GPT2LMHeadModel.from_pretrained(folder, dtype=torch.float64, attn_implementation="eager")
    found = {}

    def keep(name):
        def hook(module, arguments, output):
            found[f"in({name})"], found[f"out({name})"] = arguments[0], output

        return hook

    for name, module in model.named_modules():
        module.register_forward_hook(keep(name))
    with torch.no_grad():
        result = model.eval()(torch.tensor([OLD + NEW]), output_attentions=True)
    found |= {f"attentions[{n}]": attention for n, attention in enumerate(result.attentions)} | {
        "logits": result.logits
    }
    values = {name: value[0] if isinstance(value, tuple) else value for name, value in found.items()}
    return {name: value[..., -len(NEW) :, :].squeeze(0) for name, value in values.items() if torch.is_tensor(value)}


@pytest.mark.parametrize("row", [row for row in table("Values", 5) if row[3]], ids=lambda row: row[0])
def test_hugging_face_values(row, values, hugging_face):
    torch = pytest.importorskip("torch")
    name, term = row[0].strip("`"), re.findall("`(.+)`", row[3])[0]
    ours, theirs = torch.tensor(values[name], dtype=torch.float64), hugging_face[term]
    for start, end in re.findall(r"columns (\w+) to (\w+) - 1", row[3]):
        theirs = theirs[:, size(start) : size(end)]
    if "[H][T][D]" in row[1]:
        ours = torch.cat(list(ours), dim=-1)  # heads side by side
    assert ours.shape == theirs.shape
    # Doubles, values below 100, a few hundred operations deep: 1e-10 is far above rounding and far below a mistake.
    assert (ours - theirs).abs().max() < 1e-10
