"""Byte-pair encoding: join the neighbours with the earliest merge, and repeat until no neighbours have a merge.

Both functions do the same: of all pairs of neighbours that have a merge, join the one of lowest rank, the leftmost
first. `merge_word` searches the word for it each time, which is fastest for words of ordinary length. `merge_long`
keeps the pairs in a heap, so that its time grows as n log n: one word of a megabyte takes seconds.

Source: Sennrich, Haddow and Birch 2016, section 3.2, algorithm 1.
"""

from heapq import heapify, heappop, heappush
from itertools import pairwise

Pair = tuple[int, int]  # the ids of two neighbours

LONG = 32  # above this many symbols the heap is faster than the search
_NO_RANK = 1 << 62  # larger than any rank


def merge_word(ids: list[int], ranks: dict[Pair, int], merged: list[int]) -> list[int]:
    """Return the tokens of a word, from the ids of its bytes; `ids` is used up.

    ranks: pair -> the place of its merge in the list of merges. merged: that place -> the id of the token it makes.

    >>> merge_word([0, 1, 0, 1, 2], {(0, 1): 0, (3, 2): 1}, [3, 4])    # a b a b c; a+b is 3, ab+c is 4
    [3, 4]
    """
    if len(ids) > LONG:
        return merge_long(ids, ranks, merged)
    rank_of = ranks.get
    found = [rank_of(pair, _NO_RANK) for pair in pairwise(ids)]
    while found and (lowest := min(found)) != _NO_RANK:
        at = found.index(lowest)
        ids[at : at + 2] = [merged[lowest]]
        del found[at]
        if at:
            found[at - 1] = rank_of((ids[at - 1], ids[at]), _NO_RANK)
        if at < len(found):
            found[at] = rank_of((ids[at], ids[at + 1]), _NO_RANK)
    return ids


def merge_long(ids: list[int], ranks: dict[Pair, int], merged: list[int]) -> list[int]:
    """Return what `merge_word` does, for a long word: a heap of (rank, position) over a doubly linked list.

    A heap entry whose pair has changed since is skipped when it comes up.
    """
    size = len(ids)
    following = list(range(1, size + 1))  # position -> position of the next symbol; size is the end
    preceding = list(range(-1, size - 1))
    heap = [(ranks[pair], at) for at, pair in enumerate(pairwise(ids)) if pair in ranks]
    heapify(heap)
    while heap:
        rank, at = heappop(heap)
        right = following[at]
        if right == size or ranks.get((ids[at], ids[right])) != rank:
            continue
        ids[at], ids[right] = merged[rank], -1  # -1: no symbol here any more
        after, before = following[right], preceding[at]
        following[at] = after
        if after < size:
            preceding[after] = at
            if (pair := (ids[at], ids[after])) in ranks:
                heappush(heap, (ranks[pair], at))
        if before >= 0 and (pair := (ids[before], ids[at])) in ranks:
            heappush(heap, (ranks[pair], before))
    return [token for token in ids if token >= 0]
