"""The tokenizer against tiktoken and tokenizers with the same vocabulary, on many kinds of text."""

import json
import random
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import tiktoken
import tokenizers

from starchart.files.regular_file import read_regular_file
from starchart.tokenizer.tokenizer import Tokenizer
from starport.verify.byte_characters import BYTE_CHARACTERS, IN_ORDER
from starport.verify.check import Check, attempt

COMPONENT = "tokenizer"
PATTERN = r"'(?:[sdmt]|ll|ve|re)| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
TEXTS = 300  # of each kind

_ENGLISH = """
Once upon a time there was a little star who didn't want to shine. The other stars said: we've all shone, so you'll
shine too! "I'd rather sleep", it answered, and that's what it did; for 1,000 nights (or 1001?) it slept.
""".split()  # noqa: SIM905
_CONTRACTIONS = ["'s", "'t", "'m", "'d", "'ll", "'ve", "'re", "'S", "'LL", "'", "\u2019s", "''", "'lle", "'r e"]
_SPACES = [
    *" \t\n\r\v\f\x1c\x1f\x85\xa0\u1680\u180e\u2000\u200a\u2028\u202f\u205f\u3000\u200b\u2060\ufeff",
    "  ",
    "\r\n",
]
_DIGITS = ["7", "42", "1984", "3.14159", "1,000", "x²", "½", "Ⅷ", "٣٤", "९", "1e-9", "0x1F"]
_WORLD = "naïve Größe звезда αστέρι نجم कहानी 星図 ほし 이야기 นิทาน ngôi_sao Ǆ ß ﬁ e\u0301 \u02bbokina ƛ".split()  # noqa: SIM905
_EMOJI = [
    "👩‍👩‍👧‍👦",
    "🏳️‍🌈",
    "🇫🇷",
    "👍🏽",
    "⭐",
    "✨",
    "☃",
    "→",
    "∑",
    "©",
    "\0",
    "\ufffd",
    "<|endoftext|>",
    "|",
    "==",
    "/*",
]


def checks(model: Path) -> Iterator[Check]:
    """Yield a check for each kind of text, with the vocabulary of the model in this folder."""
    ours, encode = Tokenizer.from_pretrained(model), peers(model)
    for name, make in KINDS.items():
        draw = random.Random(name)
        yield attempt(COMPONENT, name, _compare, name, ours, encode, [make(draw) for _ in range(TEXTS)])
    with tempfile.TemporaryDirectory() as temporary:
        folder = write_vocabulary_across_cuts(Path(temporary))
        draw = random.Random("across cuts")
        texts = [make(draw) for make in KINDS.values() for _ in range(TEXTS // 3)]
        trained = Tokenizer.from_pretrained(folder)
        name = "merges across every cut"
        yield attempt(COMPONENT, name, _compare, name, trained, peers(folder), texts)
    yield attempt(COMPONENT, "end of text", _special, model, ours)


def _runs(pools: list[list[str]], between: list[str]) -> Callable[[random.Random], str]:
    """Return a function that makes texts of up to 24 pieces of the pools, with separators of `between`."""

    def text(draw: random.Random) -> str:
        pieces = (draw.choice(draw.choice(pools)) + draw.choice(between) for _ in range(draw.randint(1, 24)))
        return "".join(pieces)

    return text


def _random_bytes(draw: random.Random) -> str:
    return draw.randbytes(draw.randint(1, 60)).decode("utf-8", "replace")


def _one_long_word(draw: random.Random) -> str:
    return "".join(draw.choices("etaoinshrdlu", k=draw.randint(30, 120)))


KINDS: dict[str, Callable[[random.Random], str]] = {
    "English": _runs([_ENGLISH], [" "]),
    "contractions": _runs([_CONTRACTIONS, _ENGLISH], ["", "", " "]),
    "white space": _runs([_SPACES, _SPACES, _ENGLISH], ["", "", " ", "\n"]),
    "digits": _runs([_DIGITS, _ENGLISH], ["", " "]),
    "scripts of the world": _runs([_WORLD, _ENGLISH], ["", " "]),
    "emoji and signs": _runs([_EMOJI, _WORLD], ["", " "]),
    "random bytes": _random_bytes,
    "long words": _one_long_word,
}


def write_vocabulary_across_cuts(folder: Path) -> Path:
    """Write a vocabulary that was trained on whole texts as single words, and return the folder.

    Its merges reach across word boundaries. In an ordinary vocabulary none does, so a text that is split in the wrong
    place may still get the right ids; with this vocabulary it does not.
    """
    draw = random.Random("training")
    trained = tokenizers.Tokenizer(tokenizers.models.BPE())
    trained.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    trainer = tokenizers.trainers.BpeTrainer(
        vocab_size=4000, initial_alphabet=IN_ORDER, max_token_length=12, show_progress=False
    )
    trained.train_from_iterator((make(draw) for make in KINDS.values() for _ in range(TEXTS)), trainer)
    trained.model.save(str(folder))
    return folder


def peers(model: Path) -> dict[str, Callable[[str], list[int]]]:
    """Return the encoders of tiktoken and tokenizers for this vocabulary."""
    ids, merges = read_vocabulary(model)
    order = [*IN_ORDER, *(left + right for left, right in merges)]
    as_byte = {character: byte for byte, character in enumerate(BYTE_CHARACTERS)}
    ranks = {bytes(as_byte[character] for character in token): rank for rank, token in enumerate(order)}
    pieces = tiktoken.Encoding("model", pat_str=PATTERN, mergeable_ranks=ranks, special_tokens={})
    other = tokenizers.Tokenizer(tokenizers.models.BPE(vocab=ids, merges=merges))
    other.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)
    return {
        "tiktoken": lambda text: [ids[order[rank]] for rank in pieces.encode_ordinary(text)],
        "tokenizers": lambda text: list(other.encode(text, add_special_tokens=False).ids),
    }


def read_vocabulary(model: Path) -> tuple[dict[str, int], list[tuple[str, str]]]:
    """Return the ids and the merges of vocab.json and merges.txt, or else of tokenizer.json."""
    if (model / "vocab.json").exists() and (model / "merges.txt").exists():
        ids = json.loads(read_regular_file(model / "vocab.json"))
        lines = read_regular_file(model / "merges.txt").decode().replace("\r\n", "\n").split("\n")
        pairs = [line.split(" ") for line in lines if line and not line.startswith("#version")]
    else:
        values = json.loads(read_regular_file(model / "tokenizer.json"))["model"]
        ids = values["vocab"]
        pairs = [merge.split(" ") if isinstance(merge, str) else merge for merge in values["merges"]]
    return ids, [(left, right) for left, right in pairs]


def _compare(name: str, ours: Tokenizer, encode: dict[str, Callable[[str], list[int]]], texts: list[str]) -> Check:
    count, fault = 0, None
    for text in texts:
        ids = ours.encode(text)
        count += len(ids)
        for peer, encoder in encode.items():
            if ids != encoder(text):
                fault = fault or f"{ascii(text)[:60]}: {len(ids)} ids, not the {len(encoder(text))} of {peer}"
        if ours.decode(ids) != text or "".join(ours.stream(ids)) != text:
            fault = fault or f"decoding does not give {ascii(text)[:60]} back"
    finding = (
        fault or f"{len(texts)} texts, {count:,} ids: equal to {' and '.join(encode)}; decoding gives every text back"
    )
    return Check(COMPONENT, name, not fault, finding, {"texts": len(texts), "ids": count, "fault": fault})


def _special(model: Path, ours: Tokenizer) -> Check:
    """<|endoftext|> is one id where it is allowed, and text like any other where it is not."""
    expected = read_vocabulary(model)[0].get("<|endoftext|>")
    text = "The end.<|endoftext|>Once"
    plain, special = ours.encode(text), ours.encode(text, allow_special=True)
    around = [*ours.encode("The end."), expected, *ours.encode("Once")]
    passed = expected is None or (special == around and expected not in plain and ours.decode(special) == text)
    finding = "<|endoftext|> is one id where it is allowed, and text where it is not"
    return Check(COMPONENT, "end of text", passed, finding if passed else "<|endoftext|> is encoded wrongly", {})
