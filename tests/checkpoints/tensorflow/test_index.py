"""Every false statement in an index of TensorFlow: one CheckpointError that names the file."""

import tracemalloc

import pytest

from starchart.checkpoints.checkpoint import load_checkpoint
from starchart.checkpoints.tensorflow.reader import open_tensorflow
from starchart.errors import CheckpointError
from tests.checkpoints.refusals import refusals_of_damage
from tests.checkpoints.tensorflow.samples import FIXTURES, INDEX, open_and_read, samples
from tests.checkpoints.tensorflow.table_file import (
    FLOAT,
    block,
    entry,
    footer,
    handle,
    header,
    number,
    record,
    restarts,
    sealed,
    shape,
    table,
    table_of,
    tail,
    text,
    varint,
)

WTE, WPE = entry([5, 2], 24, 40), entry([3, 2], 0, 24)
TRUE = [(b"", header()), (b"model/wpe", WPE), (b"model/wte", WTE)]
INT64, STRING = 9, 7


def with_wte(value):
    return table([*TRUE[:2], (b"model/wte", value)])


def with_header(value):
    return table([(b"", value), *TRUE[1:]])


def with_block(contents, compression=0):
    return table_of([contents], [b"z"], compression)


def with_index(index, blocks=b""):
    return blocks + tail(len(blocks), index)


def flipped(data, place):
    return data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :]


FIRST = sealed(block(TRUE))
WHOLE = handle(0, len(FIRST) - 5)
MANY = [(b"%05d" % n, b"") for n in range(10_001)]

LIES = {
    # The footer
    "cut off": (table(TRUE)[:-1], "does not end as an index of TensorFlow does"),
    "only the end of a footer": (footer(b"")[-47:], "does not end as an index of TensorFlow does"),
    "another magic number": (table(TRUE)[:-48] + footer(table(TRUE)[-48:-8], 7), "does not end as an index"),
    "too long": (bytes(1_000_000) + table(TRUE), "no index of a GPT-2 has more than 1000000"),
    "a footer alone": (footer(b"\0\0\0\0"), "metaindex block reaches from 0 past 0"),
    "an index block past the end": (
        table(TRUE)[:-48] + footer(handle(0, 1) + handle(0, 10**6)),
        "index block reaches from 0 past",
    ),
    "an index block of 2^64 bytes": (
        table(TRUE)[:-48] + footer(handle(0, 1) + handle(0, 2**64 - 1)),
        "index block reaches from 0 past",
    ),
    "a metaindex block past the end": (
        table(TRUE)[:-48] + footer(handle(2**40, 1) + handle(0, 1)),
        "metaindex block reaches from 1099511627776",
    ),
    "a number without an end": (table(TRUE)[:-48] + footer(b"\xff" * 40), "handle of a block: a number is cut off"),
    "a number of 70 bits": (table(TRUE)[:-48] + footer(b"\xff" * 9 + b"\x7f"), "or has more than 64 bits"),
    "bytes after the handles": (
        table(TRUE)[:-48] + footer(bytes(4) + b"x"),
        "are not two handles, zeros and the magic",
    ),
    # Blocks
    "a data block past the index": (
        with_index(block([(b"z", handle(0, 10**4))]), FIRST),
        "data block 0 reaches from 0",
    ),
    "a data block in the index": (with_index(block([(b"z", handle(0, len(FIRST)))]), FIRST), "data block 0"),
    "a data block twice": (
        with_index(block([(b"y", WHOLE), (b"z", WHOLE)]), FIRST),
        f"data block 1 begins at 0, in the block before it, which ends at {len(FIRST)}",
    ),
    "a handle and more": (with_index(block([(b"z", WHOLE + b"x")]), FIRST), "the handle of data block 0 is followed"),
    "half a handle": (with_index(block([(b"z", b"\0")]), FIRST), "handle of a block: a number is cut off"),
    "no handle": (with_index(block([(b"z", b"")]), FIRST), "handle of a block: a number is cut off"),
    "a bit of a data block": (flipped(table(TRUE), 30), "data block 0 does not have its checksum"),
    "a bit of its checksum": (flipped(table(TRUE), len(FIRST) - 1), "data block 0 does not have its checksum"),
    "a bit of the index block": (flipped(table(TRUE), len(FIRST) + 16), "index block does not have its checksum"),
    "Snappy": (table_of([block(TRUE)], [b"z"], 1), "data block 0 is compressed (type 1); save it with TensorFlow 1.2"),
    "an unknown compression": (table_of([block(TRUE)], [b"z"], 9), "is compressed (type 9)"),
    "an empty block": (with_block(b""), "a block of 0 bytes says that it has 0 restart points"),
    "restart points past the block": (with_block(b"\xff" * 8), "a block of 8 bytes says that it has 4294967295"),
    "no restart points": (with_block(record(0, b"", header()) + restarts([])), "do not rise from 0"),
    "restart points that begin later": (with_block(block(TRUE)[:-8] + restarts([9])), "do not rise from 0"),
    "a restart point twice": (with_block(block(TRUE)[:-8] + restarts([0, 0])), "do not rise from 0"),
    "restart points that fall": (with_block(block(TRUE, 1)[:-16] + restarts([0, 40, 11])), "do not rise from 0"),
    "a restart point inside an entry": (
        with_block(block(TRUE)[:-8] + restarts([0, 5])),
        "a block has a restart point at 5, where none of its entries begins",
    ),
    "a restart point after the entries": (
        with_block(block(TRUE)[:-8] + restarts([0, len(block(TRUE)) - 8])),
        f"a block has a restart point at {len(block(TRUE)) - 8}, where none",
    ),
    "a restart point far away": (with_block(block(TRUE)[:-8] + restarts([0, 2**32 - 1])), "at 4294967295, where none"),
    "a restart point of the index block": (
        with_index(block([(b"z", WHOLE)])[:-8] + restarts([0, 1]), FIRST),
        "a block has a restart point at 1",
    ),
    # Entries of a block
    "a key shared with none": (
        with_block(record(1, b"a", b"") + restarts([0])),
        "a key shares 1 bytes with the key before it",
    ),
    "more shared than there is": (
        with_block(record(0, b"", header()) + record(0, b"a", b"") + record(2, b"", b"") + restarts([0])),
        "a key shares 2 bytes with the key before it; it can share at most 1",
    ),
    "shared at a restart point": (
        with_block(record(0, b"a", b"") + record(1, b"b", b"") + restarts([0, 4])),
        "a key shares 1 bytes with the key before it; it can share at most 0",
    ),
    "a value past the block": (
        with_block(record(0, b"", b"abc", length=4) + restarts([0])),
        "an entry of 0 and 4 bytes reaches past the end of its block",
    ),
    "a value of 2^63 bytes": (
        with_block(record(0, b"", b"abc", length=2**63) + restarts([0])),
        "an entry of 0 and 9223",
    ),
    "a key of 2^64 bytes": (with_block(b"\0" + varint(-1) + b"\0" + restarts([0])), "an entry of 18446744073709551615"),
    "half an entry": (with_block(b"\0\x81" + restarts([0])), "a number is cut off"),
    "a long key": (with_block(block([(b"", header()), (b"x" * 1001, b"")])), "a key is 1001 bytes long; the limit"),
    "a key twice": (table([*TRUE[:2], TRUE[1]]), "key b'model/wpe' does not come after the key before it"),
    "a key twice, in two blocks": (
        table_of([block(TRUE), block(TRUE[2:])], [b"n", b"o"]),
        "key b'model/wte' does not come after the key before it",
    ),
    "keys out of order": (table([TRUE[0], TRUE[2], TRUE[1]]), "key b'model/wpe' does not come after"),
    "too many entries": (table(MANY), "has more than 10000 entries"),
    # The header
    "no header": (table(TRUE[1:]), "has no header under the empty key"),
    "no entries": (table_of([block([])], [b"z"]), "has no header under the empty key"),
    "no data files": (with_header(header(shards=0)), "header: says there are 0 data files"),
    "minus one data file": (with_header(header(shards=-1)), "header: says there are -1 data files"),
    "big-endian": (with_header(header(endianness=1)), "header: says the numbers are not little-endian"),
    "a later version": (with_header(header(min_consumer=2)), "header: is of a version that came after 1"),
    "two counts of files": (with_header(header() + number(1, 2)), "header: field 1 is not one number"),
    "a text for a count": (with_header(text(1, b"1")), "header: field 1 is not one number"),
    "a number for a version": (
        with_header(number(1, 1) + number(3, 1)),
        "header: field 3 is a number and not a message",
    ),
    "a group": (with_header(b"\x0b"), "header: field 1 is of wire type 3"),
    "a field past the end": (with_header(b"\x1a\x05abc"), "a field says it is 5 bytes long, but 3 are left"),
    "a field of 2^63 bytes": (with_header(b"\x1a" + varint(2**63)), "a field says it is 9223372036854775808 bytes"),
    "half a fixed field": (with_wte(b"\x35\0\0"), "'model/wte': a field says it is 4 bytes long, but 2 are left"),
    # A tensor
    "no type": (with_wte(entry([5, 2], 24, 40, dtype=0)), "'model/wte': is of TensorFlow's type number 0"),
    "a text": (with_wte(entry([5, 2], 24, 40, dtype=STRING)), "'model/wte': is of TensorFlow's type number 7"),
    "a type below 0": (with_wte(entry([5, 2], 24, 40, dtype=-5)), "type number -5"),
    "in slices": (with_wte(WTE + text(7, b"")), "'model/wte': is saved in slices"),
    "two shapes": (with_wte(WTE + text(2, shape([5, 2]))), "'model/wte': has no shape, or more than one"),
    "a shape that is not known": (
        with_wte(number(1, FLOAT) + text(2, number(3, 1)) + number(5, 4)),
        "'model/wte': has no shape, or more than one",
    ),
    "nine axes": (with_wte(entry([1] * 9, 24, 4)), "'model/wte': has 9 axes"),
    "an axis below 0": (with_wte(entry([-5, -2], 24, 40)), "whole numbers of at least 0, not [-5, -2]"),
    "a size that lies": (with_wte(entry([5, 2], 24, 39)), "shape [5, 2] of F32 does not fill the 39 bytes it is given"),
    "a shape that lies": (with_wte(entry([2**62, 2**62], 24, 40)), "does not fill the 40 bytes"),
    "a type that lies": (with_wte(entry([5, 2], 24, 40, dtype=INT64)), "shape [5, 2] of I64 does not fill the 40"),
    "an offset below 0": (with_wte(entry([5, 2], -24, 40)), "offset -24 and size 40 must be at least 0"),
    "a size below 0": (with_wte(entry([5, 2], 24, -40)), "offset 24 and size -40 must be at least 0"),
    "past the end of the data": (with_wte(entry([5, 2], 25, 40)), "'model/wte': ends at byte 65 of a data file"),
    "far past the end": (with_wte(entry([2**60], 2**62, 2**62)), "of a data file that has 64; fetch that again"),
    "shared bytes": (
        with_wte(entry([5, 2], 20, 40)),
        "'model/wte': overlaps the tensor before it, which ends at byte 24",
    ),
    "a data file that is none": (
        with_wte(entry([5, 2], 24, 40, shard=1)),
        "is said to be in data file 1 (from 0), but",
    ),
    "a data file below 0": (with_wte(entry([5, 2], 24, 40, shard=-1)), "is said to be in data file -1"),
    # A variable that is no weight
    "an optimizer's, past the end": (
        table([*TRUE, (b"model/wte/Adam", entry([2], 60, 8))]),
        "tensor 'model/wte/Adam': ends at byte 68 of a data file that has 64",
    ),
    "a counter in the bytes of a weight": (
        table([TRUE[0], (b"global_step", entry([], 20, 8, INT64)), *TRUE[1:]]),
        "tensor 'global_step': overlaps the tensor before it, which ends at byte 24",
    ),
    "a counter in a data file that is none": (
        table([TRUE[0], (b"global_step", entry([], 20, 8, INT64, shard=1)), *TRUE[1:]]),
        "tensor 'global_step': is said to be in data file 1 (from 0), but there are 1",
    ),
    "a counter that is no message": (
        table([TRUE[0], (b"global_step\xff", b"\xff"), *TRUE[1:]]),
        r"tensor 'global_step\\xff': a number is cut off",
    ),
    # The data file
    "a data file that is too long": (
        table([TRUE[0], TRUE[1]]),
        "the tensors in data file 0 (from 0) end at byte 24, but it has 64; fetch both again",
    ),
    # Names
    "a name that is no text": (
        table([*TRUE, (b"model/\xff", WPE)]),
        r"the name b'model/\xff' of a tensor is not UTF-8",
    ),
    "a name of many lines": (table([TRUE[0], (b"model/a\n\x1b[2J", b"\xff")]), r"'model/a\n\x1b[2J'"),
    "no GPT-2": (
        table([TRUE[0], (b"layer/kernel", WPE)]),
        "holds no GPT-2 with OpenAI's names (model/wte and so on), but",
    ),
    "no tensors": (table(TRUE[:1]), "but no tensors at all"),
}


@pytest.fixture
def index(tmp_path):
    (tmp_path / "model.ckpt.data-00000-of-00001").write_bytes(bytes(64))
    return tmp_path / INDEX


def test_the_truth(index):
    index.write_bytes(table(TRUE))
    tensors = open_tensorflow(index)
    assert {name: (tensor.shape, tensor.start) for name, tensor in tensors.items()} == {
        "wpe.weight": ((3, 2), 0),
        "wte.weight": ((5, 2), 24),
    }


@pytest.mark.parametrize(("data", "words"), LIES.values(), ids=LIES)
def test_a_lie_is_one_line_that_names_the_file(data, words, index):
    index.write_bytes(data)
    with pytest.raises(CheckpointError) as caught:
        open_tensorflow(index)
    message = str(caught.value)
    assert message.startswith(f"{index}: ")
    assert words in message
    assert message.isprintable()
    assert len(message) < 500 + len(str(index))


def test_more_data_files_than_can_be_named(index):
    index.write_bytes(with_header(header(shards=2**31 - 1)))
    with pytest.raises(CheckpointError, match=r"model\.ckpt\.data-00000-of-2147483647: there is no such file"):
        open_tensorflow(index)


def test_several_data_blocks(index):
    index.write_bytes(table_of([block(TRUE[:1]), block(TRUE[1:2]), block(TRUE[2:])], [b"a", b"model/wq", b"n"]))
    assert [*open_tensorflow(index)] == ["wpe.weight", "wte.weight"]


def test_of_variables_that_are_no_weights_only_the_place_counts(index):
    data = index.with_name("model.ckpt.data-00000-of-00001")
    data.write_bytes(bytes(64 + 8 + 4 * 5))
    others = [(b"note", entry([2], 64, 5, STRING)), (b"global_step", entry([], 69, 3, 99))]
    names = [name + slot for name in (b"model/wpe", b"model/wte") for slot in (b"/Adam", b"/Momentum")]
    slots = [(name, entry([-1] * 9, 72 + 5 * n, 5)) for n, name in enumerate(names)]
    index.write_bytes(table(sorted([*TRUE, *others, *slots, (b"\0slice", entry([], 0, 0) + text(7, b""))])))
    assert [*open_tensorflow(index)] == ["wpe.weight", "wte.weight"]


def test_a_variable_that_no_gpt2_has(tmp_path):
    for source in (FIXTURES / "openai").iterdir():
        (tmp_path / source.name).write_bytes(source.read_bytes())
    (tmp_path / "model.ckpt.data-00000-of-00001").write_bytes(bytes(64))
    (tmp_path / INDEX).write_bytes(table([TRUE[0], (b"model/h0/ln_1/w", entry([3], 0, 12)), (b"model/h00/x", WTE)]))
    with pytest.raises(CheckpointError, match=r"holds no blocks of a GPT-2 .*, but 'model/h0/ln_1/w', 'model/h00/x'"):
        load_checkpoint(tmp_path)


def test_an_index_that_would_grow_takes_no_memory(index):
    # Every key shares 999 bytes with the one before it: three bytes in the file, a thousand outside.
    key, entries = b"x" * 997, []
    for n in range(2000):
        entries.append((key + n.to_bytes(3, "big"), b""))
    index.write_bytes(table([TRUE[0], *entries]))
    tracemalloc.start()
    try:
        with pytest.raises(CheckpointError, match="holds no GPT-2"):
            open_tensorflow(index)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 5_000_000


def test_damage_at_random(tmp_path):
    messages = refusals_of_damage(tmp_path / INDEX, samples(), open_and_read, cases=600, seed="damage to an index")
    assert len(messages) > 400
    # Most damage is told by more than the checksums and the footer.
    assert len({message.partition("': ")[2] or message for message in messages}) > 100
