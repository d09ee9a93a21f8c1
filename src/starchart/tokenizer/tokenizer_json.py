"""The single-file form, tokenizer.json of Hugging Face tokenizers: accepted if it describes GPT-2's tokenizer.

The format can hold other tokenizers and settings that change the ids. Those are refused by name, never ignored.

An added token that is not special is refused on purpose, though the format allows it. The tokenizers library takes
such a token out of every text. Here only special tokens are taken out, and only on request, so the ids would differ.

Source: the file format of the tokenizers library, a pipeline of normalizer, pre_tokenizer, model, post_processor and
decoder.
"""

from typing import Any

from starchart.errors import VocabularyError
from starchart.files.json_file import shown
from starchart.tokenizer.vocabulary import Vocabulary, make_vocabulary

# For each setting that could change the ids, the values that do not change them. Messages name the first.
_MODEL: dict[str, tuple[Any, ...]] = {
    "type": ("BPE", None),  # the first files of the format have no type
    "dropout": (None, 0),
    "continuing_subword_prefix": ("", None),
    "end_of_word_suffix": ("", None),
    "byte_fallback": (False, None),
    "ignore_merges": (False, None),
}
_PRE_TOKENIZER = {"type": ("ByteLevel",), "add_prefix_space": (False,), "use_regex": (True, None)}
_DECODER = {"type": ("ByteLevel",)}
# Settings for texts in batches, which the library keeps in the file and applies to every text.
_OF_BATCHES = {"truncation": "cuts ids off", "padding": "adds ids"}
_TEXT_ALONE = [{"Sequence": {"id": "A", "type_id": 0}}]
_ADDED_TOKEN = {"lstrip": (False, None), "rstrip": (False, None), "single_word": (False, None)}


def parse_tokenizer_json(content: dict[str, Any], name: str) -> Vocabulary:
    """Return the vocabulary in the object of a tokenizer.json; `name` is the file, for the messages.

    Raises VocabularyError where it is not a GPT-2 tokenizer, or not well formed.
    """
    model = _part(content, "model", _MODEL, name)
    _part(content, "pre_tokenizer", _PRE_TOKENIZER, name)
    _part(content, "decoder", _DECODER, name)
    normalizer = content.get("normalizer")
    if normalizer is not None:
        kind = normalizer.get("type") if isinstance(normalizer, dict) else normalizer
        raise VocabularyError(f"{name}: it has a normalizer ({shown(kind)}), GPT-2 has none; use a GPT-2 tokenizer")
    for key, effect in _OF_BATCHES.items():
        if content.get(key) is not None:
            fault = f"{key} is {shown(content[key])}, which {effect}; save the tokenizer without it"
            raise VocabularyError(f"{name}: {fault}")
    _check_post_processor(content.get("post_processor"), name)
    if not isinstance(model.get("vocab"), dict):
        raise VocabularyError(f"{name}: model.vocab is missing or not an object; get the file again")
    ids = dict(model["vocab"])
    special = _add_tokens(ids, content.get("added_tokens") or [], name)
    merges = _merges(model.get("merges"), name)
    return make_vocabulary(ids, merges, special or None, ids_name=f"{name}: model.vocab", merge_name=f"{name}: merge")


def _part(whole: dict[str, Any], part: str, settings: dict[str, tuple[Any, ...]], name: str) -> dict[str, Any]:
    """Return an object inside the file, its settings checked."""
    found = whole.get(part)
    if not isinstance(found, dict):
        raise VocabularyError(f"{name}: {part} is missing or not an object; use a GPT-2 tokenizer.json")
    for key, allowed in settings.items():
        if found.get(key) not in allowed:
            raise VocabularyError(
                f"{name}: {part}.{key} is {shown(found.get(key))}, GPT-2 has {allowed[0]!r}; use a GPT-2 tokenizer"
            )
    return found


def _check_post_processor(value: object, name: str) -> None:
    """Refuse one that adds tokens. ByteLevel adds none, nor does a template that has only the text."""
    processor = value if isinstance(value, dict) else {}
    kind = processor.get("type")
    if value is not None and kind != "ByteLevel" and processor.get("single") != _TEXT_ALONE:
        raise VocabularyError(
            f"{name}: the post_processor {shown(kind)} adds tokens, GPT-2 adds none; use a GPT-2 tokenizer"
        )


def _add_tokens(ids: dict[str, int], added: object, name: str) -> list[str]:
    """Enter the added tokens into `ids` and return their texts."""
    if not isinstance(added, list):
        raise VocabularyError(f"{name}: added_tokens is not a list; get the file again")
    texts = []
    for number, value in enumerate(added):
        where = f"added_tokens[{number}]"
        token = _part({where: value}, where, _ADDED_TOKEN, name)
        text, i = token.get("content"), token.get("id")
        if not isinstance(text, str) or type(i) is not int:
            raise VocabularyError(f"{name}: {where} has no content or no id; get the file again")
        if token.get("special") is not True:
            raise VocabularyError(
                f"{name}: {where}, {shown(text)}, is not special: the tokenizers library would take it out of every "
                "text, which is not done here; use a tokenizer whose added tokens are special"
            )
        if ids.setdefault(text, i) != i:
            fault = f"{shown(text)} is {shown(ids[text])} in model.vocab and {shown(i)} in added_tokens"
            raise VocabularyError(f"{name}: {fault}")
        texts.append(text)
    return texts


def _merges(merges: object, name: str) -> list[tuple[str, str]]:
    """Return the merges, written as "a b" in older files and as ["a", "b"] in newer ones."""
    if not isinstance(merges, list):
        raise VocabularyError(f"{name}: model.merges is missing or not a list; get the file again")
    pairs = []
    for number, merge in enumerate(merges, 1):
        tokens = merge.split(" ") if isinstance(merge, str) else merge
        match tokens:
            case [str(left), str(right)]:
                pairs.append((left, right))
            case _:
                raise VocabularyError(f"{name}: merge {number}: {shown(merge)} is not two tokens; get the file again")
    return pairs
