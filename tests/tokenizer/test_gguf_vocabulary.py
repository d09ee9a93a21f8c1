"""The tokenizer inside a GGUF file: ids are those of vocab.json and merges.txt, and what is not GPT-2's is refused."""

import json
from pathlib import Path

import pytest

from starchart import Tokenizer
from starchart.errors import VocabularyError
from starchart.tokenizer.tokenizer import check_vocabulary
from tests.checkpoints.gguf.raw_gguf import ARRAY, BOOL, F32, I32, TEXT, U32, encoded, entry, gguf_file
from tests.tiny_model import END_OF_TEXT, MERGES, byte_alphabet, write_tiny_model, write_vocabulary
from tests.tokenizer.gpt2_vocabulary import CASES

pytest.importorskip("gguf")
import gguf

from tests.checkpoints.gguf.write_gguf import add_vocabulary, write_gguf

TEXTS = ["then the one", "<|endoftext|>", "", "naïve 星 \n\n  the", "the<|endoftext|>on the"]


def vocabulary_of(folder: Path, path: Path) -> Path:
    """Write a file that holds the vocabulary of a folder and no model."""
    writer = gguf.GGUFWriter(path, "gpt2")
    add_vocabulary(writer, folder)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def assert_same(a: Tokenizer, b: Tokenizer, texts: list[str]) -> None:
    for text in texts:
        for allow in (False, True):
            ids = a.encode(text, allow_special=allow)
            assert ids == b.encode(text, allow_special=allow), text
            assert a.decode(ids) == b.decode(ids)
    assert (a.vocab_size, a.special_tokens, a.end_of_text) == (b.vocab_size, b.special_tokens, b.end_of_text)


def test_the_vocabulary_of_gpt2(gpt2_folder, tmp_path):
    ours = Tokenizer.from_pretrained(vocabulary_of(gpt2_folder, tmp_path / "vocabulary.gguf"))
    boxed = Tokenizer.from_pretrained("gpt2")
    assert_same(ours, boxed, [case["text"] for case in CASES])
    for case in CASES:
        assert ours.encode(case["text"]) == case["ids"], case["name"]
    assert ours.tokens(range(ours.vocab_size)) == boxed.tokens(range(ours.vocab_size))


def test_a_small_vocabulary(tmp_path):
    write_vocabulary(tmp_path)
    ours = Tokenizer.from_pretrained(vocabulary_of(tmp_path, tmp_path / "vocabulary.gguf"))
    assert ours.end_of_text == 260
    assert_same(ours, Tokenizer.from_pretrained(tmp_path), TEXTS)


def other_vocabulary(folder: Path) -> None:
    """Put a vocabulary of other ids into a folder: the special token first."""
    tokens = [END_OF_TEXT, *byte_alphabet(), *(merge.replace(" ", "") for merge in MERGES)]
    (folder / "vocab.json").write_text(json.dumps({token: i for i, token in enumerate(tokens)}), encoding="utf-8")
    (folder / "merges.txt").write_text("\n".join(MERGES), encoding="utf-8")


def test_a_file_that_is_named_has_its_own_and_a_folder_its_own(tmp_path):
    model = write_tiny_model(tmp_path / "model")
    (tmp_path / "folder").mkdir()
    path = write_gguf(tmp_path / "folder" / "model.gguf", model)
    inside = Tokenizer.from_pretrained(path)
    assert_same(Tokenizer.from_pretrained(path.parent), inside, TEXTS)  # nothing else is there
    other_vocabulary(path.parent)
    assert Tokenizer.from_pretrained(path.parent).end_of_text == 0
    assert Tokenizer.from_pretrained(path).end_of_text == 260
    (path.parent / "merges.txt").unlink()
    with pytest.raises(VocabularyError, match=r"no merges\.txt"):  # half a vocabulary is not replaced by another one
        Tokenizer.from_pretrained(path.parent)


def test_a_file_without_a_vocabulary_has_that_of_its_folder(tmp_path):
    model = write_tiny_model(tmp_path / "model")
    (model / "vocab.json").rename(tmp_path / "vocab.json")
    path = write_gguf(tmp_path / "model.gguf", model)
    with pytest.raises(VocabularyError, match=r"no merges\.txt"):
        Tokenizer.from_pretrained(path)
    (model / "merges.txt").rename(tmp_path / "merges.txt")
    assert Tokenizer.from_pretrained(path).end_of_text == 260


def test_one_of_two_files_is_not_guessed(tmp_path):
    model = write_tiny_model(tmp_path / "model")
    (tmp_path / "folder").mkdir()
    for name in ("a.gguf", "b.gguf"):
        write_gguf(tmp_path / "folder" / name, model)
    with pytest.raises(VocabularyError, match=r"no vocab\.json and no merges\.txt"):
        Tokenizer.from_pretrained(tmp_path / "folder")
    (tmp_path / "folder" / "b.gguf").write_bytes(b"no such file")
    assert Tokenizer.from_pretrained(tmp_path / "folder").end_of_text == 260


TOKENS = [*byte_alphabet(), "Ġt", "he", "Ġthe", "on", END_OF_TEXT]
TYPES = [1] * 260 + [3]
KEYS = {
    "model": (TEXT, "gpt2"),
    "pre": (TEXT, "gpt-2"),
    "tokens": (ARRAY, (TEXT, TOKENS)),
    "token_type": (ARRAY, (I32, TYPES)),
    "merges": (ARRAY, (TEXT, MERGES)),
}


def raw(path: Path, **changes: object) -> Path:
    """Write a file with a vocabulary, of which some entries are others, or None for none."""
    values = {key: value for key, value in (KEYS | changes).items() if value is not None}
    path.write_bytes(gguf_file([entry(f"tokenizer.ggml.{key}", *value) for key, value in values.items()]))
    return path


def test_the_file_by_hand_is_true(tmp_path):
    write_vocabulary(tmp_path)
    folder = Tokenizer.from_pretrained(tmp_path)
    for changes in (
        {},
        {"pre": None, "token_type": None},  # as older files are
        {"token_type": (ARRAY, (U32, TYPES))},
        {"token_type": (ARRAY, (I32, [1] * 261))},  # no token says that it is special
        {"add_bos_token": (BOOL, 0), "add_space_prefix": (BOOL, 0), "scores": (ARRAY, (F32, [0.0] * 261))},
    ):
        assert_same(Tokenizer.from_pretrained(raw(tmp_path / "x.gguf", **changes)), folder, TEXTS)


def test_an_unused_token_is_no_special_token(tmp_path):
    tokens, types = [*TOKENS, "[PAD261]", "last"], [*TYPES, 5, 1]
    changes = {"tokens": (ARRAY, (TEXT, tokens)), "token_type": (ARRAY, (I32, types))}
    tokenizer = Tokenizer.from_pretrained(raw(tmp_path / "x.gguf", **changes))
    assert tokenizer.vocab_size == 263
    assert list(tokenizer.special_tokens) == [END_OF_TEXT]
    assert tokenizer.decode([261]) == "[PAD261]"


def test_unused_tokens_at_the_end_are_left_out(tmp_path):
    tokens, types = [*TOKENS, "[PAD261]", "[PAD262]"], [*TYPES, 5, 5]
    changes = {"tokens": (ARRAY, (TEXT, tokens)), "token_type": (ARRAY, (I32, types))}
    tokenizer = Tokenizer.from_pretrained(raw(tmp_path / "x.gguf", **changes))
    assert (tokenizer.vocab_size, tokenizer.padding) == (261, 2)
    with pytest.raises(VocabularyError, match="token id 261 is not in the vocabulary"):
        tokenizer.decode([261])


def test_a_file_that_says_how_much_is_unused_may_have_as_much_as_it_likes(tmp_path):
    tokens, types = [*TOKENS, *(f"[PAD{i}]" for i in range(261, 600))], [*TYPES, *[5] * 339]
    changes = {"tokens": (ARRAY, (TEXT, tokens)), "token_type": (ARRAY, (I32, types))}
    tokenizer = Tokenizer.from_pretrained(raw(tmp_path / "x.gguf", **changes))
    check_vocabulary(tokenizer, 600)
    with pytest.raises(VocabularyError, match="do not belong together"):
        check_vocabulary(tokenizer, 601)


def test_an_unused_token_that_a_merge_makes_stays(tmp_path):
    tokens, types = [END_OF_TEXT, *TOKENS[:-1], "[PAD261]"], [3, *[1] * 259, 5, 5]
    changes = {"tokens": (ARRAY, (TEXT, tokens)), "token_type": (ARRAY, (I32, types))}
    assert Tokenizer.from_pretrained(raw(tmp_path / "x.gguf", **changes)).vocab_size == 261


REFUSED = {
    "another kind": ({"model": (TEXT, "llama")}, "tokenizer.ggml.model is 'llama', GPT-2 has 'gpt2'"),
    "a kind that is a number": ({"model": (U32, 2)}, "tokenizer.ggml.model is 2"),
    "another split": ({"pre": (TEXT, "llama-bpe")}, "tokenizer.ggml.pre is 'llama-bpe', GPT-2 has 'gpt-2'"),
    "a token before each text": ({"add_bos_token": (BOOL, 1)}, "add_bos_token is True, GPT-2 has False"),
    "a token after each text": ({"add_eos_token": (BOOL, 1)}, "add_eos_token is True, GPT-2 has False"),
    "a space before each text": ({"add_space_prefix": (BOOL, 1)}, "add_space_prefix is True, GPT-2 has False"),
    "no tokens": ({"tokens": None}, "tokenizer.ggml.tokens is missing or not an array of strings"),
    "tokens that are numbers": ({"tokens": (ARRAY, (U32, [1]))}, "tokenizer.ggml.tokens is missing or not an array"),
    "tokens that are a text": ({"tokens": (TEXT, "abc")}, "tokenizer.ggml.tokens is missing or not an array"),
    "no merges": ({"merges": None}, "tokenizer.ggml.merges is missing or not an array of strings"),
    "a token twice": ({"tokens": (ARRAY, (TEXT, [*TOKENS[:-1], "he"]))}, "tokens: 'he' has two ids, 257 and 260"),
    "an empty token": ({"tokens": (ARRAY, (TEXT, [*TOKENS[:-1], ""]))}, "tokens: there is an empty token"),
    "a byte missing": ({"tokens": (ARRAY, (TEXT, ["xx", *TOKENS[1:]]))}, "tokens: no token for byte 0x21"),
    "a token not UTF-8": ({"tokens": (ARRAY, (TEXT, [b"\xff", *TOKENS[1:]]))}, "'tokenizer.ggml.tokens' is not UTF-8"),
    "too few types": ({"token_type": (ARRAY, (I32, TYPES[1:]))}, "token_type is not one number for each of 261 tokens"),
    "types that are texts": ({"token_type": (ARRAY, (TEXT, ["1"] * 261))}, "token_type is not one number for each"),
    "one type for all": ({"token_type": (I32, 1)}, "token_type is not one number for each of 261 tokens"),
    "a token of type 6": ({"token_type": (ARRAY, (I32, [6, *TYPES[1:]]))}, "token_type: '!' is of type 6"),
    "a user-defined token": ({"token_type": (ARRAY, (I32, [1] * 260 + [4]))}, "'<|endoftext|>' is user-defined"),
    "half a merge": ({"merges": (ARRAY, (TEXT, ["Ġ t", "he"]))}, "merges: merge 2: 'he' is not two tokens"),
    "three tokens in a merge": ({"merges": (ARRAY, (TEXT, ["a b c"]))}, "merges: merge 1: 'a b c' is not two tokens"),
    "a merge of nothing": ({"merges": (ARRAY, (TEXT, ["", "Ġ t"]))}, "merges: merge 1: '' is not two tokens"),
    "a merge twice": ({"merges": (ARRAY, (TEXT, [*MERGES, "h e"]))}, "merges: merge 5: 'h' 'e' is there twice"),
    "a merge in lines": ({"merges": (ARRAY, (TEXT, ["a\n b"]))}, r"merge 1: the merge 'a\n' 'b' needs the token 'a\n'"),
    "tokens past the end": (
        {"tokens": (ARRAY, encoded(U32, TEXT) + b"\xff" * 8)},
        "says it has 18446744073709551615 items",
    ),
}


@pytest.mark.parametrize(("changes", "words"), REFUSED.values(), ids=REFUSED)
def test_what_is_not_gpt2s_is_refused(changes, words, tmp_path):
    path = raw(tmp_path / "x.gguf", **changes)
    with pytest.raises(VocabularyError) as caught:
        Tokenizer.from_pretrained(path)
    message = str(caught.value)
    assert message.startswith(f"{path}: ")
    assert words in message
    assert message.isprintable()
