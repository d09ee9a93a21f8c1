"""A vocabulary from files: vocab.json with merges.txt, tokenizer.json, encoder.json with vocab.bpe, or a GGUF file.

vocab.json is one object, token -> id. merges.txt has a version line, then one merge per line: two tokens and a space
between. encoder.json and vocab.bpe are the same two, as OpenAI named them. added_tokens.json, if it is there, has
special tokens that were added later. For GPT-2's own vocabulary merges.txt is enough: the ids follow from it.

Every fault is a VocabularyError that names the file, and the line where there is one.
"""

from itertools import chain
from os import PathLike
from os.path import isdir, isfile
from pathlib import Path

from starchart.errors import NoVocabularyError, VocabularyError
from starchart.files.gguf_header import is_gguf
from starchart.files.json_file import read_json_file, read_small_file, shown
from starchart.files.regular_file import is_file_or_warn, what_is_there
from starchart.tokenizer.byte_alphabet import ALPHABET
from starchart.tokenizer.gguf_vocabulary import read_gguf_vocabulary
from starchart.tokenizer.tokenizer_json import parse_tokenizer_json
from starchart.tokenizer.vocabulary import MAX_TOKENS, Vocabulary, make_vocabulary

_PAIRS = (("vocab.json", "merges.txt"), ("encoder.json", "vocab.bpe"))
FILES = (*chain(*_PAIRS), "tokenizer.json", ".gguf")  # endings of the files that hold a vocabulary


def read_vocabulary(model: str | PathLike[str]) -> Vocabulary:
    """Return the vocabulary in a folder, or in or beside a file of weights.

    A GGUF file is tried first if it is the file that was named, and last if it is the only one in a folder. If a folder
    has several of the other forms, vocab.json with merges.txt come first, then tokenizer.json, then encoder.json.

    Raises VocabularyError; NoVocabularyError where there is none at all.
    """
    if is_gguf(model) and (own := read_gguf_vocabulary(Path(model))):
        return own
    place = Path(model).parent if isfile(model) else Path(model)
    if not isdir(place):
        raise VocabularyError(f"{place}: no such folder; give one with vocab.json and merges.txt, or tokenizer.json")
    single = place / "tokenizer.json"
    vocab, merges = max(([place / name for name in pair] for pair in _PAIRS), key=_number_there)
    if isfile(single) and not (vocab.name == "vocab.json" and isfile(vocab) and isfile(merges)):
        _warn_of_others(vocab, merges)
        return parse_tokenizer_json(read_json_file(single, VocabularyError), str(single))
    missing = [file.name for file in (vocab, merges) if not isfile(file)]
    if missing:
        inside = [file for file in place.glob("*.gguf") if is_gguf(file)] if isdir(model) else []
        if len(inside) == 1 and len(missing) == 2 and (own := read_gguf_vocabulary(inside[0])):
            _warn_of_others(vocab, merges, single)
            return own
        needed = "needed are vocab.json and merges.txt, or tokenizer.json"
        for file in (single, *(place / name for pair in _PAIRS for name in pair)):
            if fault := what_is_there(file):
                raise VocabularyError(f"{file}: cannot be read: {fault}; {needed}")
        kind = NoVocabularyError if len(missing) == 2 and not inside else VocabularyError
        raise kind(f"{place}: no {' and no '.join(missing)}; {needed}")
    ids = read_json_file(vocab, VocabularyError)
    pairs, first_line = _read_merges(merges)
    added = place / "added_tokens.json"
    for token, i in read_json_file(added, VocabularyError).items() if is_file_or_warn(added) else ():
        if ids.setdefault(token, i) != i:
            here, there = shown(i), shown(ids[token])
            raise VocabularyError(f"{added}: {shown(token)} has the id {here} here and {there} in {vocab.name}")
    return make_vocabulary(ids, pairs, ids_name=str(vocab), merge_name=f"{merges}: line", first=first_line)


def _warn_of_others(*files: Path) -> None:
    """Warn of files with priority that are not regular files."""
    for file in files:
        is_file_or_warn(file)


def vocabulary_from_merges(merges: Path, last: str) -> Vocabulary:
    """Return the vocabulary of a merges.txt whose ids are assigned in GPT-2's order.

    That is the 256 bytes in the order of their characters, then one token per merge, then the special token `last`.
    Raises VocabularyError.
    """
    pairs, first_line = _read_merges(merges)
    tokens = [*sorted(ALPHABET), *(left + right for left, right in pairs), last]
    ids = {token: i for i, token in enumerate(tokens)}
    return make_vocabulary(ids, pairs, ids_name=str(merges), merge_name=f"{merges}: line", first=first_line)


def _number_there(files: list[Path]) -> int:
    return len([file for file in files if isfile(file)])


def _read_text(file: Path) -> str:
    data = read_small_file(file, VocabularyError)
    lines = data.count(b"\n")
    if lines > MAX_TOKENS:
        raise VocabularyError(f"{file}: has {lines} lines; the limit is {MAX_TOKENS}")
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise VocabularyError(f"{file}: not UTF-8 text (byte {error.start}); it is damaged, get it again") from None


def _read_merges(file: Path) -> tuple[list[tuple[str, str]], int]:
    """Return the merges of merges.txt, and the number of the line with the first."""
    # Only a line feed ends a line: str.splitlines would also cut at characters such as U+0085.
    lines = _read_text(file).replace("\r\n", "\n").removesuffix("\n").split("\n")
    first = 2 if lines[0].startswith("#version") else 1
    merges = []
    for number, line in enumerate(lines[first - 1 :], first):
        left, _, right = line.partition(" ")
        if not left or not right or " " in right:
            raise VocabularyError(f"{file}: line {number}: {shown(line)} is not two tokens with a space between")
        merges.append((left, right))
    return merges, first
