"""Small GGUF files that the gguf package writes, and a function that reads everything in one, for the fuzzers."""

import tempfile
from pathlib import Path

from starchart import Tokenizer
from starchart.checkpoints.checkpoint import load_checkpoint
from starchart.checkpoints.model_files import known_format
from starchart.errors import VocabularyError
from tests.checkpoints.read_tensors import read_tensors
from tests.tiny_model import write_tiny_model

SIZES = {"n_layer": 1, "n_positions": 3, "n_inner": 32}


def samples() -> list[bytes]:
    """Return models of each kind of number, with a vocabulary and without, and one with the table of tokens twice."""
    from tests.checkpoints.gguf.write_gguf import write_gguf  # noqa: PLC0415  it needs the gguf package

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        small = write_tiny_model(folder / "small", n_embd=4, n_head=2, **SIZES)
        blocks = write_tiny_model(folder / "blocks", n_embd=32, n_head=1, **SIZES)
        files = [write_gguf(folder / "f32.gguf", small, alignment=8), write_gguf(folder / "q8.gguf", blocks, "Q8_0")]
        for model in (small, blocks):
            (model / "vocab.json").unlink()
        files += [
            write_gguf(folder / "f16.gguf", small, "F16", copy_head=True),
            write_gguf(folder / "q4.gguf", blocks, "Q4_0"),
        ]
        return [file.read_bytes() for file in files]


def open_and_read(path: Path) -> None:
    """Open a file, read all its tensors, and its vocabulary."""
    read_tensors(known_format(path).open(path))
    load_checkpoint(path)
    try:
        tokenizer = Tokenizer.from_pretrained(path)
    except VocabularyError as error:
        if "no vocab.json" not in str(error):  # one of the files without
            raise
    else:
        tokenizer.decode(tokenizer.encode("Once upon a time, the end.<|endoftext|>", allow_special=True))
