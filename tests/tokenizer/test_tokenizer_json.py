"""tokenizer.json: files of the tokenizers library are read, and what is not GPT-2 is refused by name."""

import json
import logging
from pathlib import Path
from typing import Any

import pytest

from starchart.errors import VocabularyError
from starchart.tokenizer.tokenizer import Tokenizer
from tests.tokenizer.small_vocabulary import TALE, small_vocabulary

tokenizers = pytest.importorskip("tokenizers")


def library_tokenizer() -> Any:
    ids, merges = small_vocabulary()
    theirs = tokenizers.ByteLevelBPETokenizer(vocab=ids, merges=merges)
    theirs.add_special_tokens(["<|endoftext|>"])
    return theirs


@pytest.fixture
def content(tmp_path: Path) -> dict[str, Any]:
    library_tokenizer().save(str(tmp_path / "tokenizer.json"))
    return json.loads((tmp_path / "tokenizer.json").read_text(encoding="utf-8"))


def read(folder: Path, content: Any) -> Tokenizer:
    (folder / "tokenizer.json").write_text(json.dumps(content), encoding="utf-8")
    return Tokenizer.from_pretrained(folder)


def older_file(content: dict[str, Any]) -> None:
    content["model"]["merges"] = [" ".join(merge) for merge in content["model"]["merges"]]
    del content["model"]["type"]


def template_of_the_text_alone(content: dict[str, Any]) -> None:
    """Put in the post_processor that transformers writes."""
    step = {"Sequence": {"id": "A", "type_id": 0}}
    content["post_processor"] = {"type": "TemplateProcessing", "single": [step], "pair": [step], "special_tokens": {}}


def nothing_listed(content: dict[str, Any]) -> None:
    content["added_tokens"] = []


@pytest.mark.parametrize("change", [lambda _: None, older_file, template_of_the_text_alone, nothing_listed])
def test_reads_what_the_library_writes(tmp_path: Path, content: dict[str, Any], change) -> None:
    change(content)
    ours = read(tmp_path, content)
    assert ours.encode(TALE) == library_tokenizer().encode(TALE).ids
    assert ours.special_tokens == {"<|endoftext|>": 0}
    with_special = "the star<|endoftext|>shines"
    assert ours.encode(with_special, allow_special=True) == library_tokenizer().encode(with_special).ids


def test_a_folder_in_the_place_of_vocab_json_is_ignored_with_a_warning(tmp_path, content, caplog) -> None:
    (tmp_path / "vocab.json").mkdir()
    with caplog.at_level(logging.WARNING, "starchart"):
        assert read(tmp_path, content).vocab_size == 400
    assert caplog.messages == [f"{tmp_path / 'vocab.json'}: is ignored: it is a folder, not a regular file"]


def test_an_added_token_may_be_new(tmp_path: Path, content: dict[str, Any]) -> None:
    content["added_tokens"].append({"id": 400, "content": "<pad>", "special": True})
    assert read(tmp_path, content).special_tokens == {"<|endoftext|>": 0, "<pad>": 400}


def test_gpt2_as_transformers_saves_it(gpt2_folder: Path, tmp_path: Path) -> None:
    transformers = pytest.importorskip("transformers")
    transformers.GPT2TokenizerFast.from_pretrained(gpt2_folder).save_pretrained(tmp_path)
    assert not (tmp_path / "vocab.json").exists()
    ours, pair = Tokenizer.from_pretrained(tmp_path), Tokenizer.from_pretrained(gpt2_folder)
    assert ours.encode(TALE) == pair.encode(TALE)
    assert ours.special_tokens == pair.special_tokens == {"<|endoftext|>": 50256}


def put(path: str, value: object):
    """Return a change of the file: the value at a path such as model.type."""

    def change(content: dict[str, Any]) -> None:
        *parents, name = path.split(".")
        for parent in parents:
            content = content[parent]
        content[name] = value

    return change


LONG = "b" * 1_000_000  # file content that a message must not repeat
LONG_ID = int("7" * 4000)
TRUNCATION = {"direction": "Right", "max_length": 5, "strategy": "LongestFirst", "stride": 0}
PLAIN = {"content": "the", "special": False, "single_word": False, "lstrip": False, "rstrip": False, "normalized": True}
SPLIT = {"type": "Split", "pattern": {"Regex": "\\s+"}, "behavior": "Isolated", "invert": False}
START = [{"SpecialToken": {"id": "<s>", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (put("model.type", "WordPiece"), "model.type is 'WordPiece', GPT-2 has 'BPE'"),
        (put("model.type", "Unigram"), "model.type is 'Unigram'"),
        (put("model.dropout", 0.1), "model.dropout is 0.1"),
        (put("model.byte_fallback", True), "model.byte_fallback is True"),
        (put("model.ignore_merges", True), "model.ignore_merges is True"),
        (put("model.end_of_word_suffix", "</w>"), "model.end_of_word_suffix is '</w>'"),
        (put("model.continuing_subword_prefix", "##"), "model.continuing_subword_prefix is '##'"),
        (put("model", None), "model is missing or not an object"),
        (put("normalizer", {"type": "NFC"}), "it has a normalizer ('NFC'), GPT-2 has none"),
        (put("normalizer", LONG), "it has a normalizer ('bbb"),
        (put("truncation", TRUNCATION), "truncation is {'direction': 'Right', 'max_length': 5, "),
        (put("truncation", LONG), "truncation is 'bbb"),
        (put("padding", {"pad_id": 0}), "padding is {'pad_id': 0}, which adds ids; save the tokenizer without it"),
        (put("padding", {}), "padding is {}"),
        (put("pre_tokenizer", None), "pre_tokenizer is missing"),
        (put("pre_tokenizer", SPLIT), "pre_tokenizer.type is 'Split', GPT-2 has 'ByteLevel'"),
        (put("pre_tokenizer.add_prefix_space", True), "pre_tokenizer.add_prefix_space is True"),
        (put("pre_tokenizer.use_regex", False), "pre_tokenizer.use_regex is False"),
        (put("post_processor", {"type": "TemplateProcessing", "single": START}), "'TemplateProcessing' adds tokens"),
        (put("post_processor", {"type": "BertProcessing"}), "'BertProcessing' adds tokens"),
        (put("post_processor", 5), "the post_processor None adds tokens"),
        (put("decoder", {"type": "WordPiece"}), "decoder.type is 'WordPiece'"),
        (put("added_tokens", {"id": 0}), "added_tokens is not a list"),
        (put("added_tokens", [5]), "added_tokens[0] is missing or not an object"),
        (put("added_tokens", [{"id": 0, "content": "x"}]), "added_tokens[0], 'x', is not special"),
        (
            put("added_tokens", [PLAIN | {"id": 400}]),
            "[0], 'the', is not special: the tokenizers library would take it",
        ),
        (put("added_tokens", [PLAIN | {"id": 400, "content": LONG}]), "added_tokens[0], 'bbb"),
        (put("added_tokens", [{"id": 0, "special": True}]), "added_tokens[0] has no content or no id"),
        (put("added_tokens", [{"id": 9, "content": "<|endoftext|>", "special": True}]), "is 0 in model.vocab and 9 in"),
        (put("added_tokens", [{"id": 7, "content": "<x>", "special": True, "lstrip": True}]), "[0].lstrip is True"),
        (put("added_tokens", [{"id": 7, "content": "<x>", "special": True}]), "both have the id 7"),
        (put("model.vocab", []), "model.vocab is missing or not an object"),
        (put("model.vocab", {"a": 1}), "model.vocab: no token for byte 0x00"),
        (put("model.merges", {}), "model.merges is missing or not a list"),
        (put("model.merges", ["a r", "a"]), "merge 2: 'a' is not two tokens"),
        (put("model.merges", [["s", 5]]), "merge 1: ['s', 5] is not two tokens"),
        (put("model.type", LONG), "model.type is 'bbb"),
        (put("post_processor", {"type": LONG}), "the post_processor 'bbb"),
        (put("model.merges", [LONG]), "merge 1: 'bbb"),
        (put("model.merges", [[LONG, LONG, LONG]]), "merge 1: ['bbb"),
        (put("model.vocab", {LONG: 1}), "model.vocab: no token for byte 0x00"),
        (put("model.merges", ["a r", "zz q"]), "merge 2: the merge 'zz' 'q' needs the token 'zz'"),
    ],
)
def test_refusals(tmp_path: Path, content: dict[str, Any], change, message: str) -> None:
    change(content)
    with pytest.raises(VocabularyError) as caught:
        read(tmp_path, content)
    assert str(caught.value).startswith(f"{tmp_path / 'tokenizer.json'}: ")
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 500 + len(str(tmp_path))


@pytest.mark.parametrize(("here", "there"), [(400, LONG_ID), (LONG_ID, 400)], ids=["added", "vocab"])
def test_long_text_and_id_of_an_added_token(tmp_path: Path, content: dict[str, Any], here: int, there: int) -> None:
    content["model"]["vocab"][LONG] = here
    content["added_tokens"] = [{"id": there, "content": LONG, "special": True}]
    with pytest.raises(VocabularyError, match=r"'b+\.\.\.b+' is .* in model\.vocab and .* in added_tokens") as caught:
        read(tmp_path, content)
    assert len(str(caught.value)) < 500 + len(str(tmp_path))
