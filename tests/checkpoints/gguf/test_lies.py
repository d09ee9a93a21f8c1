"""Every false statement in a GGUF file: one CheckpointError that names the file, and the field or tensor."""

import struct
import tracemalloc

import pytest

from starchart.checkpoints.checkpoint import load_checkpoint, read_config
from starchart.checkpoints.gguf.reader import open_gguf
from starchart.checkpoints.stored_tensor import read_rows
from starchart.errors import CheckpointError
from tests.checkpoints.gguf.raw_gguf import (
    ARRAY,
    BOOL,
    F32,
    F64,
    I32,
    TEXT,
    U8,
    U32,
    U64,
    encoded,
    entry,
    gguf_file,
    tensor,
    text,
)
from tests.checkpoints.raw_file import write

F32_TENSOR, F16_TENSOR, Q4_0, Q8_0, Q4_K = 0, 1, 2, 8, 12
A, B = tensor("a", [3, 2], F32_TENSOR, 0), tensor("b", [2], F16_TENSOR, 32)
DATA = bytes(24 + 8 + 4)
HUGE = 2**64 - 1
ALIGNMENT = "the metadata 'general.alignment' is of type {}, not 4 (u32), as it must be"


def one(entry_of_tensor, data=bytes(24)):
    return gguf_file([], [entry_of_tensor], data)


def values(*entries):
    return gguf_file(entries, [A, B], DATA)


def key(name, kind, value):
    return values(entry(name, kind, value))


TRUE = gguf_file([], [A, B], DATA)
LIES = {
    # The beginning
    "only the magic": (b"GGUF", "its version takes 4 bytes, but the file ends after 0"),
    "another magic": (gguf_file(magic=b"GGML"), "does not begin with 'GGUF' but with b'GGML'"),
    "shorter than the magic": (b"GGU", "its beginning takes 4 bytes"),
    "half the counts": (TRUE[:20], "its number of entries of metadata takes 8 bytes"),
    "version 1": (gguf_file(version=1), "is of version 1 of GGUF, and 2 and 3 are read"),
    "version 0": (gguf_file(version=0), "is of version 0"),
    "version 4": (gguf_file(version=4), "is of version 4"),
    "big-endian": (gguf_file(version=3 << 24), "is a big-endian GGUF file"),
    "2^64 - 1 tensors": (gguf_file(counts=(HUGE, 1)), f"says it has {HUGE} tensors; no GPT-2 has more than 65536"),
    "10001 tensors": (gguf_file(counts=(10_001, 1)), "has 10001 tensors; no GPT-2 has more than 10000"),
    "2^64 - 1 entries": (gguf_file(counts=(0, HUGE)), f"says it has {HUGE} entries of metadata"),
    "a tensor too many": (gguf_file([], [A, B], counts=(3, 1)), "tensor '' says it has 0 axes"),
    "an entry too many": (
        gguf_file([], counts=(0, 2)),
        "the key of entry 2 of 2 takes 8 bytes, but the file ends after 0",
    ),
    # Metadata
    "a key past the end": (gguf_file([text("a", 1000)]), "the key of entry 2 of 2 takes 1000 bytes"),
    "a key without end": (gguf_file([text("a", HUGE)]), f"says it is {HUGE} bytes long; the limit for a string is"),
    "a key that is not UTF-8": (key(b"a\xff", U32, 1), "the key of entry 2 of 2 is not UTF-8 text: byte 1 is 0xff"),
    "an empty key": (key("", U32, 1), "the key of entry 2 of 2 is empty; convert the model again"),
    "an empty key of an array": (key("", ARRAY, (U8, [])), "the key of entry 2 of 2 is empty"),
    "a key twice": (values(entry("a", U32, 1), entry("a", U32, 1)), "has the metadata 'a' twice"),
    "a key of arrays twice": (values(entry("a", ARRAY, (U8, [])), entry("a", U32, 1)), "has the metadata 'a' twice"),
    "a type that is none": (key("a", 13, b"\0" * 8), "the metadata 'a' is of type 13, which GGUF does not have"),
    "a type without end": (key("a", 2**32 - 1, b"\0" * 8), "the metadata 'a' is of type 4294967295"),
    "a truth of 2": (key("a", BOOL, 2), "the metadata 'a' must be true (1) or false (0), not 2"),
    "a number cut off": (
        TRUE[:24] + entry("a", F64, 1.0)[:-1],
        "the metadata 'a' takes 8 bytes, but the file ends after 7",
    ),
    "a text past the end": (key("a", TEXT, text("b", 2000)), "the metadata 'a' takes 2000 bytes"),
    "a text without end": (key("a", TEXT, text("b", HUGE)), "the metadata 'a' says it is"),
    "a text that is not UTF-8": (key("a", TEXT, b"\xc3"), "the metadata 'a' takes"),
    "text of half a character": (key("a", TEXT, text(b"\xc3")), "the metadata 'a' is not UTF-8 text: byte 0 is 0xc3"),
    "an array of a type that is none": (key("a", ARRAY, struct.pack("<IQ", 13, 1)), "the metadata 'a' is of type 13"),
    "an array of arrays": (key("a", ARRAY, (ARRAY, [(U8, [1])])), "the metadata 'a' is an array of arrays"),
    "arrays nested deeply": (
        key("a", ARRAY, struct.pack("<IQ", ARRAY, 1) * 9000),
        "the metadata 'a' is an array of arrays",
    ),
    "an array past the end": (key("a", ARRAY, struct.pack("<IQ", U32, 1000)), "the metadata 'a' takes 4000 bytes"),
    "an array without end": (key("a", ARRAY, struct.pack("<IQ", U8, HUGE)), f"the metadata 'a' takes {HUGE} bytes"),
    "2^64 - 1 texts": (
        key("a", ARRAY, struct.pack("<IQ", TEXT, HUGE)),
        f"'a' says it has {HUGE} items; no GPT-2 has more",
    ),
    "a text in an array past the end": (
        key("a", ARRAY, struct.pack("<IQ", TEXT, 1) + text("b", 999)),
        "'a' takes 999 bytes",
    ),
    "texts in an array past the end": (
        gguf_file([entry("a", ARRAY, struct.pack("<IQ", TEXT, 1 << 20))]),
        "'a' takes 8 bytes",
    ),
    # Which model
    "no architecture": (gguf_file(architecture=None), "does not say which model it holds (general.architecture)"),
    "a llama": (
        gguf_file(architecture="llama"),
        "is a model of type 'llama' (general.architecture); only 'gpt2' can be read",
    ),
    "an architecture of many lines": (gguf_file(architecture="a\nb"), r"is a model of type 'a\nb'"),
    "one of several files": (key("split.count", 2, struct.pack("<H", 3)), "is one of 3 parts; join them"),
    # Alignment
    "alignment 0": (key("general.alignment", U32, 0), "its general.alignment must be a power of 2 from 8 to the size"),
    "alignment 4": (
        key("general.alignment", U32, 4),
        "its general.alignment must be a power of 2 from 8 to the size of the file, not 4",
    ),
    "alignment 12": (key("general.alignment", U32, 12), "not 12"),
    "alignment 24": (gguf_file([entry("general.alignment", U32, 24)], [A], bytes(24), alignment=24), "not 24"),
    "alignment without end": (key("general.alignment", U32, 2**31), "not 2147483648"),
    "alignment a text": (key("general.alignment", TEXT, "32"), ALIGNMENT.format(8)),
    "alignment a truth": (key("general.alignment", BOOL, 1), ALIGNMENT.format(7)),
    "alignment a float": (key("general.alignment", F32, 32.0), ALIGNMENT.format(6)),
    "alignment an u8": (key("general.alignment", U8, 32), ALIGNMENT.format(0)),
    "alignment an i32": (key("general.alignment", I32, 32), ALIGNMENT.format(5)),
    "alignment an u64": (key("general.alignment", U64, 32), ALIGNMENT.format(10)),
    "alignment an array": (key("general.alignment", ARRAY, (U32, [32])), ALIGNMENT.format(9)),
    "alignment of other offsets": (
        key("general.alignment", U32, 64),
        "tensor 'b' is at offset 32, which is not a multiple of the alignment, 64",
    ),
    # One tensor
    "a name of 65 bytes": (
        one(tensor("x" * 65, [6], F32_TENSOR, 0)),
        "tensor 1 of 1 has a name of more than 64 bytes: 'xxx",
    ),
    "a name without end": (one(text("x", HUGE)), "the entry of tensor 1 of 1 says it is"),
    "a name that is not UTF-8": (one(tensor(b"\xff", [6], F32_TENSOR, 0)), "tensor 1 of 1 is not UTF-8"),
    "a name of many lines": (one(tensor("a\n\x1b[2J", [7], F32_TENSOR, 0)), r"tensor 'a\n\x1b[2J' takes"),
    "no axes": (one(tensor("a", [], F32_TENSOR, 0)), "tensor 'a' says it has 0 axes; it must have 1 to 4"),
    "five axes": (one(tensor("a", [1, 1, 1, 2, 3], F32_TENSOR, 0)), "tensor 'a' says it has 5 axes"),
    "2^32 - 1 axes": (one(tensor("a", [6], F32_TENSOR, 0, axes=2**32 - 1)), "tensor 'a' says it has 4294967295 axes"),
    "an axis of length 0": (one(tensor("a", [3, 0], F32_TENSOR, 0)), "tensor 'a' has an axis of length 0: [3, 0]"),
    "an axis too long": (
        one(tensor("a", [3, 3], F32_TENSOR, 0)),
        "tensor 'a' takes 36 bytes from byte 128 on, but the file ends after 152",
    ),
    # 2^64 + 6 numbers: a product kept in 64 bits would come out as 6.
    "lengths that wrap around 64 bits": (
        one(tensor("a", [2**63 + 3, 2], F32_TENSOR, 0)),
        "tensor 'a' takes 73786976294838206488 bytes",
    ),
    "lengths without end": (one(tensor("a", [HUGE] * 4, F32_TENSOR, 0)), "tensor 'a' takes 4631"),
    "a type of tensor that is none": (
        one(tensor("a", [6], 4, 0)),
        "tensor 'a' is of type 4, which is not known; convert the model to F16",
    ),
    "a type of tensor without end": (one(tensor("a", [6], 2**32 - 1, 0)), "tensor 'a' is of type 4294967295"),
    "rows of no whole block": (
        one(tensor("a", [48, 2], Q8_0, 0), bytes(102)),
        "tensor 'a' has rows of 48 numbers, and Q8_0 has blocks of 32",
    ),
    "a row shorter than a block": (
        one(tensor("a", [16, 2], Q4_0, 0), bytes(18)),
        "tensor 'a' has rows of 16 numbers, and Q4_0",
    ),
    "an offset that is not aligned": (
        one(tensor("a", [1], F32_TENSOR, 4)),
        "tensor 'a' is at offset 4, which is not a multiple of the alignment, 32",
    ),
    "an offset past the end": (
        one(tensor("a", [6], F32_TENSOR, 32)),
        "tensor 'a' takes 24 bytes from byte 160 on, but the file ends after",
    ),
    "an offset without end": (
        one(tensor("a", [6], F32_TENSOR, 2**64 - 32)),
        "tensor 'a' takes 24 bytes from byte 18446744073709551712",
    ),
    "an entry cut off": (gguf_file([], [A[:-1]]).rstrip(b"\0"), "tensor 'a' takes 8 bytes, but the file ends after"),
    "data cut off": (TRUE[:-1], "tensor 'b' takes 4 bytes from byte"),
    # Tensors together
    "a name twice": (gguf_file([], [A, tensor("a", [2], F16_TENSOR, 32)], DATA), "has tensor 'a' twice"),
    "the same bytes": (
        gguf_file([], [A, tensor("b", [6], F32_TENSOR, 0)], bytes(24)),
        "tensor 'b' overlaps tensor 'a'",
    ),
    "an overlap": (gguf_file([], [tensor("a", [9], F32_TENSOR, 0), B], DATA), "tensor 'b' overlaps tensor 'a'"),
    "a hole between": (
        gguf_file([], [A, tensor("b", [2], F16_TENSOR, 64)], DATA + bytes(32)),
        "40 bytes between tensor 'a' and tensor 'b' belong to no",
    ),
    "a hole in front": (
        one(tensor("a", [6], F32_TENSOR, 32), bytes(56)),
        "bytes between the entries and tensor 'a' belong to no",
    ),
    "bytes left over": (TRUE + bytes(29), "29 bytes after tensor 'b' belong to no tensor"),
}


@pytest.mark.parametrize(("data", "words"), LIES.values(), ids=LIES)
def test_a_lie_is_one_line_that_names_the_file(data, words, tmp_path):
    path = write(tmp_path, data, "model.gguf")
    with pytest.raises(CheckpointError) as caught:
        open_gguf(path)
    message = str(caught.value)
    assert message.startswith(f"{path}: ")
    assert words in message
    assert message.isprintable()
    assert len(message) < 500 + len(str(path))


SIZES = {"context_length": 4, "embedding_length": 6, "block_count": 1, "attention.head_count": 2}
EPSILON = "gpt2.attention.layer_norm_epsilon"
TABLE = tensor("token_embd.weight", [6, 5], F32_TENSOR, 0)


def configured(*, without="", table=TABLE, more=(), **sizes):
    entries = {f"gpt2.{name}": entry(f"gpt2.{name}", U32, value) for name, value in SIZES.items()}
    entries[EPSILON] = entry(EPSILON, F32, 1e-5)
    entries |= {f"gpt2.{name}": entry(f"gpt2.{name}", *value) for name, value in sizes.items()}
    entries |= more
    return gguf_file([entry for key, entry in entries.items() if key != without], [table], bytes(120))


def more(key, kind, value):
    return configured(more={key: entry(key, kind, value)})


CONFIG_LIES = {
    **{
        f"no {key}": (configured(without=key), f"its metadata has no {key}; convert")
        for key in (EPSILON, *(f"gpt2.{name}" for name in SIZES))
    },
    "a size of 0": (configured(block_count=(U32, 0)), "n_layer must be a positive whole number, not 0"),
    "a size below 0": (configured(context_length=(I32, -4)), "n_positions must be a positive whole number, not -4"),
    "a size that is a float": (
        configured(context_length=(F32, 4.0)),
        "n_positions must be a positive whole number, not 4.0",
    ),
    "a size that is a text": (
        configured(context_length=(TEXT, "4")),
        "n_positions must be a positive whole number, not '4'",
    ),
    "a size that is a truth": (configured(block_count=(BOOL, 1)), "n_layer must be a positive whole number, not True"),
    "a width of 0": (configured(feed_forward_length=(U32, 0)), "n_inner must be a positive whole number, not 0"),
    "heads that do not divide": (
        more("gpt2.attention.head_count", U32, 4),
        "n_embd 6 does not divide into n_head 4 heads",
    ),
    "epsilon 0": (more(EPSILON, F32, 0.0), "layer_norm_epsilon must be a number between 0 and 1, not 0.0"),
    "epsilon NaN": (more(EPSILON, F32, float("nan")), "layer_norm_epsilon must be a number between 0 and 1, not nan"),
    "epsilon too large": (more(EPSILON, F64, 1e300), "layer_norm_epsilon must be a number between 0 and 1, not 1e+300"),
    "epsilon a whole number": (more(EPSILON, U32, 1), "layer_norm_epsilon must be a number between 0 and 1, not 1"),
    "an end of text that is no token": (
        more("tokenizer.ggml.eos_token_id", U32, 5),
        "eos_token_id is 5, and the model has 5 tokens",
    ),
    "an end of text that is a text": (more("tokenizer.ggml.eos_token_id", TEXT, "5"), "eos_token_id must be a number"),
    "an end of text below 0": (
        more("tokenizer.ggml.eos_token_id", I32, -1),
        "eos_token_id is -1, and the model has 5 tokens",
    ),
    "grouped heads": (
        more("gpt2.attention.head_count_kv", U32, 1),
        "gpt2.attention.head_count_kv is 1; only 2 can be read",
    ),
    "another layout": (
        more("gpt2.tensor_data_layout", TEXT, "x"),
        "gpt2.tensor_data_layout is 'x'; only 'reference' can be read",
    ),
    "parallel residuals": (
        more("gpt2.use_parallel_residual", BOOL, 1),
        "gpt2.use_parallel_residual is True; only False",
    ),
    "experts": (more("gpt2.expert_count", U32, 8), "gpt2.expert_count is 8; only 0"),
    "old blocks": (more("general.quantization_version", U32, 1), "general.quantization_version is 1; only 2"),
    "no table of tokens": (
        configured(table=tensor("tokens", [6, 5], F32_TENSOR, 0)),
        "token_embd.weight, is not there",
    ),
    "a table of three axes": (
        configured(table=tensor("token_embd.weight", [6, 5, 1], F32_TENSOR, 0)),
        "token_embd.weight, has the dims [6, 5, 1]",
    ),
}


@pytest.mark.parametrize(("data", "words"), CONFIG_LIES.values(), ids=CONFIG_LIES)
def test_a_configuration_that_cannot_be(data, words, tmp_path):
    path = write(tmp_path, data, "model.gguf")
    with pytest.raises(CheckpointError) as caught:
        read_config(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert words in str(caught.value)
    assert str(caught.value).isprintable()


@pytest.mark.parametrize(
    ("entries", "value"),
    [
        ({}, ()),
        ({"tokenizer.ggml.eos_token_id": (U32, 4)}, (4,)),
        ({"tokenizer.ggml.eos_token_id": (U64, 0)}, (0,)),
        ({"split.count": (U32, 1), "gpt2.attention.head_count_kv": (U32, 2)}, ()),
    ],
)
def test_a_configuration_that_can(entries, value, tmp_path):
    data = configured(more={key: entry(key, *given) for key, given in entries.items()})
    config = read_config(write(tmp_path, data, "model.gguf"))
    assert (config.n_positions, config.n_embd, config.n_layer, config.n_head, config.vocab_size) == (4, 6, 1, 2, 5)
    assert (config.feed_forward_width, config.layer_norm_epsilon, config.eos_token_ids) == (24, 1e-5, value)


def test_sizes_that_the_tensors_contradict(tmp_path):
    path = write(tmp_path, configured(table=tensor("token_embd.weight", [10, 3], F32_TENSOR, 0)), "model.gguf")
    with pytest.raises(CheckpointError, match=r"model\.gguf: holds no blocks of a GPT-2"):
        load_checkpoint(path)


def test_a_tensor_with_hugging_faces_name_is_not_taken_for_it(tmp_path):
    data = configured(table=tensor("wte.weight", [6, 5], F32_TENSOR, 0))
    assert list(open_gguf(write(tmp_path, data, "model.gguf"))) == ["gguf:wte.weight"]


def test_entries_of_a_true_file(tmp_path):
    entries = [entry("a", U64, HUGE), entry("b", ARRAY, (TEXT, ["x", ""])), entry("c", ARRAY, (BOOL, [1, 0]))]
    path = write(tmp_path, gguf_file(entries, [A, B], DATA + bytes(28)), "model.gguf")  # the last one padded too
    assert [(t.name, t.dtype, t.shape, t.start, t.transposed) for t in open_gguf(path).values()] == [
        ("a", "F32", (2, 3), path.stat().st_size - 64, False),
        ("b", "F16", (2,), path.stat().st_size - 32, False),
    ]


def test_other_types_are_known_by_name_and_refused_when_they_are_read(tmp_path):
    path = write(tmp_path, one(tensor("token_embd.weight", [256, 2], Q4_K, 0), bytes(288)), "model.gguf")
    with pytest.raises(CheckpointError) as caught:
        read_rows(open_gguf(path)["wte.weight"])
    assert str(caught.value).startswith(f"{path}: tensor 'token_embd.weight': is of dtype Q4_K; weights must be of one")
    assert str(caught.value).endswith("Q8_0, Q4_0; convert it to one of them")


def test_no_tensors_at_all(tmp_path):
    assert open_gguf(write(tmp_path, gguf_file(), "model.gguf")) == {}


@pytest.mark.parametrize(
    "data",
    [
        gguf_file(counts=(HUGE, 1)),
        gguf_file(counts=(65536, 65536)),
        key("a", TEXT, text("b", 1 << 20)),
        key("a", ARRAY, struct.pack("<IQ", U8, 1 << 25)),
        key("a", ARRAY, struct.pack("<IQ", TEXT, 1 << 20)),
        one(tensor("a", [1 << 40], F32_TENSOR, 0)),
    ],
)
def test_a_lying_length_allocates_nothing(data, tmp_path):
    path = write(tmp_path, data, "model.gguf")
    tracemalloc.start()
    try:
        with pytest.raises(CheckpointError):
            open_gguf(path)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 200_000


def test_a_head_without_end_is_given_up(tmp_path):
    path = write(tmp_path, gguf_file([entry("a", TEXT, "x" * 1_000_000)] * 40), "model.gguf")
    with pytest.raises(CheckpointError, match="twice"):
        open_gguf(path)
    path = write(tmp_path, gguf_file([entry(f"a{n}", TEXT, "x" * 1_000_000) for n in range(40)]), "model.gguf")
    with pytest.raises(CheckpointError, match="'a33' reaches past the first 33554432 bytes"):
        open_gguf(path)


def test_texts_are_counted_over_all_arrays(tmp_path, monkeypatch):
    monkeypatch.setattr("starchart.files.gguf_header.MAX_ITEMS", 5)
    three = struct.pack("<IQ", TEXT, 3) + 3 * encoded(TEXT, "x")
    entries = [entry("a", ARRAY, three), entry("numbers", ARRAY, (U8, [0] * 9)), entry("b", ARRAY, three)]
    open_gguf(write(tmp_path, gguf_file(entries[:2]), "model.gguf"))
    with pytest.raises(CheckpointError, match="'b' says it has 3 items"):
        open_gguf(write(tmp_path, gguf_file(entries), "model.gguf"))
