"""A byte-order mark is no text, and the marks of other encodings are refused."""

import codecs
import json
import logging

import pytest

from starchart import GPT2, Tokenizer
from starchart.errors import CheckpointError, ConfigError, StarchartError, TextError, VocabularyError
from starchart.files.byte_order_mark import without_byte_order_mark
from tests.tiny_model import write_tiny_model

MARK = codecs.BOM_UTF8
OTHERS = ["utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be"]


@pytest.fixture
def model(tmp_path):
    return write_tiny_model(tmp_path / "model", seed=5)


def test_only_the_mark_at_the_beginning_is_left_out(caplog):
    assert without_byte_order_mark(MARK + b"one" + MARK, "a.txt", TextError) == b"one" + MARK
    assert without_byte_order_mark(MARK + MARK + b"one", "b.txt", TextError) == MARK + b"one"
    assert [record.getMessage() for record in caplog.records] == [
        f"{name}: the byte-order mark at its beginning was removed; it is not part of the text"
        for name in ("a.txt", "b.txt")
    ]
    assert {record.levelno for record in caplog.records} == {logging.WARNING}
    caplog.clear()
    for whole in (b"", b"one", b" " + MARK, MARK[:2]):
        assert without_byte_order_mark(whole, "c.txt", TextError) == whole
    assert not caplog.records


@pytest.mark.parametrize("encoding", OTHERS)
def test_other_encodings_are_named(encoding):
    with pytest.raises(VocabularyError, match=f"^a.txt: is {encoding[:6].upper()} text; convert it to UTF-8$"):
        without_byte_order_mark("\ufeffone".encode(encoding), "a.txt", VocabularyError)


@pytest.mark.parametrize("name", ["config.json", "generation_config.json", "vocab.json", "merges.txt"])
def test_the_files_of_a_model(name, model, caplog):
    (model / "generation_config.json").write_text('{"eos_token_id": 260}')
    ids = Tokenizer.from_pretrained(model).encode("the one on the")
    expected = GPT2.from_pretrained(model).logits(ids)
    content = (model / name).read_bytes()
    (model / name).write_bytes(MARK + content)
    assert Tokenizer.from_pretrained(model).encode("the one on the") == ids
    assert GPT2.from_pretrained(model).logits(ids) == expected
    assert {record.getMessage().partition(": ")[0] for record in caplog.records} == {str(model / name)}
    (model / name).write_bytes(codecs.BOM_UTF16_LE + content.decode().encode("utf-16-le"))
    with pytest.raises((ConfigError, VocabularyError), match=f"{name}: is UTF-16 text; convert it to UTF-8"):
        GPT2.from_pretrained(model).logits(Tokenizer.from_pretrained(model).encode("the"))


def test_a_single_file_vocabulary(model):
    pytest.importorskip("transformers")
    from transformers import AutoTokenizer  # noqa: PLC0415

    AutoTokenizer.from_pretrained(model).save_pretrained(model / "single")
    file = model / "single" / "tokenizer.json"
    file.write_bytes(MARK + file.read_bytes())
    assert sorted(path.name for path in file.parent.glob("*vocab*")) == []
    assert Tokenizer.from_pretrained(file.parent).encode("the one") == Tokenizer.from_pretrained(model).encode(
        "the one"
    )


def test_the_header_of_a_safetensors_file_is_no_text_file(model):
    file = model / "model.safetensors"
    content = file.read_bytes()
    length = int.from_bytes(content[:8], "little")
    header = json.dumps(json.loads(content[8 : 8 + length])).encode()
    marked = MARK + header + b" " * (-(len(header) + 3) % 8)
    file.write_bytes(len(marked).to_bytes(8, "little") + marked + content[8 + length :])
    with pytest.raises(CheckpointError):
        GPT2.from_pretrained(model).logits([1])


def test_errors_are_of_the_kind_that_was_asked_for():
    with pytest.raises(StarchartError) as caught:
        without_byte_order_mark(codecs.BOM_UTF16_BE, "x", ConfigError)
    assert type(caught.value) is ConfigError
