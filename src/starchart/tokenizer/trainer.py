"""The training of a byte-level BPE: from texts to tokens and merges.

In every step the most frequent pair of neighbouring tokens becomes a new token. Of pairs that are equally
frequent, the one with the smaller ids comes first. So the texts alone decide the result, and it equals that of
the tokenizers library.

Words are counted once. A merge then rewrites only the words that hold its pair, and the counts of their pairs. So
memory and time grow with the number of different pieces between white space, not with the length of the texts. A
single word of a megabyte would take long: each merge rewrites the whole of it.

Source: Sennrich, Haddow and Birch 2016, section 3.2, algorithm 1.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable
from heapq import heapify, heappop, heappush, heapreplace
from itertools import pairwise

from starchart.tokenizer.byte_alphabet import ALPHABET
from starchart.tokenizer.byte_pair_encoding import Pair
from starchart.tokenizer.pre_tokenizer import repair, split_chunks, split_words
from starchart.tokenizer.tokenizer import END_OF_TEXT


def train_bpe(
    texts: Iterable[str],
    vocab_size: int,
    *,
    min_frequency: int = 2,
    special_tokens: Iterable[str] = (END_OF_TEXT,),
) -> tuple[dict[str, int], list[tuple[str, str]]]:
    """Return tokens with their ids, in the order of the ids, and the merges, in the order they were learned.

    Ids go to the special tokens, then to the 256 bytes, then to the merges, until there are `vocab_size` tokens
    or no pair occurs `min_frequency` times. The special tokens and the bytes are always there, even where
    `vocab_size` is smaller. No merge crosses from one text to the next. A special token inside a text is text
    like any other.

    >>> ids, merges = train_bpe(["low lower lowest"], 260)
    >>> merges
    [('l', 'o'), ('lo', 'w'), ('Ġ', 'low')]
    >>> ids["Ġlow"]
    259
    """
    tokens = list(dict.fromkeys([*special_tokens, *sorted(ALPHABET)]))
    ids = {token: i for i, token in enumerate(tokens)}
    byte_ids = [ids[character] for character in ALPHABET]
    counts = count_words(texts)
    pairs = _Pairs([[byte_ids[byte] for byte in word.encode()] for word in counts], list(counts.values()))
    merges = []
    while len(ids) < vocab_size and (pair := pairs.most_frequent(max(min_frequency, 1))):
        left, right = tokens[pair[0]], tokens[pair[1]]
        merges.append((left, right))
        new = ids.setdefault(left + right, len(ids))
        if new == len(tokens):
            tokens.append(left + right)
        pairs.merge(pair, new)
    return ids, merges


def count_words(texts: Iterable[str]) -> Counter[str]:
    """Return how often each word of the pre-tokenizer occurs in the texts."""
    chunks: Counter[str] = Counter()
    for text in texts:
        for block in split_chunks(repair(text)):
            chunks.update(block)
    words: Counter[str] = Counter()
    for chunk, count in chunks.items():
        for word in split_words(chunk):
            words[word] += count
    return words


class _Pairs:
    """The words as tokens, and for every pair of neighbours how often it occurs and in which words.

    A heap has the pairs by frequency. The frequency of a pair in it can only become smaller; an entry whose count is
    too high is corrected when it comes to the top.
    """

    def __init__(self, words: list[list[int]], counts: list[int]) -> None:
        self._words = words
        self._counts = counts
        self._frequency: defaultdict[Pair, int] = defaultdict(int)
        self._places: defaultdict[Pair, set[int]] = defaultdict(set)  # pair -> words that have, or once had it
        for index, word in enumerate(words):
            for pair in pairwise(word):
                self._frequency[pair] += counts[index]
                self._places[pair].add(index)
        self._heap = [(-count, pair) for pair, count in self._frequency.items()]
        heapify(self._heap)

    def most_frequent(self, minimum: int) -> Pair | None:
        """Remove and return the most frequent pair, of equals the one with the smallest ids; None below `minimum`."""
        while self._heap:
            negative, pair = self._heap[0]
            if (count := self._frequency[pair]) != -negative:
                heapreplace(self._heap, (-count, pair))
            else:
                heappop(self._heap)
                return pair if count >= minimum else None
        return None

    def merge(self, pair: Pair, new: int) -> None:
        """Replace the pair by the token `new` in every word, from the left."""
        fresh: set[Pair] = set()
        for index in self._places.pop(pair):
            old = self._words[index]
            word = self._words[index] = _replace(old, pair, new)
            count = self._counts[index]
            for neighbours in pairwise(old):
                self._frequency[neighbours] -= count
            for neighbours in pairwise(word):
                self._frequency[neighbours] += count
                if new in neighbours:
                    self._places[neighbours].add(index)
                    fresh.add(neighbours)
        for neighbours in fresh:
            heappush(self._heap, (-self._frequency[neighbours], neighbours))


def _replace(word: list[int], pair: Pair, new: int) -> list[int]:
    """Return the word with the pair joined, from the left.

    >>> _replace([1, 1, 1, 2], (1, 1), 3)
    [3, 1, 2]
    """
    joined: list[int] = []
    left, right = pair
    follows = False  # whether the last token is a `left` that may still be joined
    for token in word:
        if follows and token == right:
            joined[-1] = new
            follows = False
        else:
            joined.append(token)
            follows = token == left
    return joined
