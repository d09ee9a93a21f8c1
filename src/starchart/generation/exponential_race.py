"""The draw of `torch.multinomial`: every token gets a random time, and the token with the shortest time is drawn.

The time of token i, of probability p_i, is q_i / p_i, where the q_i are independent exponential random numbers:

    drawn = argmax_i p_i / q_i,    q_i = -log(1 - u_i),    u_i uniform in [0, 1),    P(token i is drawn) = p_i

This is called a race: the token that arrives first wins. Torch takes two random words of 32 bits for every token of
the vocabulary, even one that was filtered out, and so does this file. But it computes p and q only for the tokens that
can still win; a test compares it with the full race. The weights exp(logit - largest) are used as p, since dividing all
of them by their sum changes no winner. Torch computes the scores p / q in float32: with doubles another token can win
only when the two best scores agree to about 1e-7 (about twice in 10^8 draws).

Sources: Feller 1971, "An Introduction to Probability Theory", volume 2, section I.3 (exponential clocks); Maddison,
Tarlow & Minka 2014, "A* Sampling", section 2 (the same race in logarithms); torch's `multinomial` and `exponential_`
on the CPU, since torch 2.7 on every build.
"""

from collections.abc import Sequence
from functools import cache
from struct import unpack_from

from starchart.generation.torch_random import TorchGenerator
from starchart.utils.elementary.exp import exp
from starchart.utils.elementary.log import log, log1p

BINS = 256  # of u: one for every value of its leading 8 bits
SLACK = (
    1e-9  # margin of log(score): far above the rounding of exp, log and log1p (1e-15), too small to let more tokens in
)
TWO_TO_MINUS_53 = 1.0 / (1 << 53)
AT_ONCE = 1.0 / (1 << 500)  # in place of q = 0, from u = 0 (once in 2^53): the shortest time, and no 0 / 0


def exponential_race(logits: Sequence[float], tokens: Sequence[int], generator: TorchGenerator) -> int:  # [V] -> id
    """Draw one of `tokens` (ids, smallest first) with probability proportional to exp(logit), from 2V random words.

    The largest logit must be finite and belong to one of `tokens`. Of equal scores the first wins, as in torch.

    A token wins only if no other score is larger. So it must reach the best score of a few tokens: the most probable
    one, and those with u < 1/256. In logarithms: logit - largest - log(q) >= log(best of the few). The leading 8 bits
    of u put a token into one of 256 bins, and the shortest time of its bin is a lower bound of q. So one comparison
    excludes most tokens; the rest (about 250 of 50257) need exp and log1p.
    """
    count = len(logits)
    bits = generator.bits(2 * count)
    block = bits.to_bytes(8 * count, "little")
    bins = (bits >> 5).to_bytes(8 * count, "little")[1::8]  # [V]: bits 20..13 of the first word are the leading 8 of u
    largest = max(logits)

    def score(token: int) -> float:
        return exp(logits[token] - largest) / exponential_time(*unpack_from("<II", block, 8 * token))

    likeliest = next(token for token in tokens if logits[token] == largest)
    early = [token for token in tokens if not bins[token]]
    to_beat = log(max(map(score, [likeliest, *early]))) - SLACK
    least = [to_beat + log_time for log_time in least_log_times()]
    contenders = [token for token in tokens if logits[token] - largest > least[bins[token]]]
    return max(contenders, key=score)


def exponential_time(high: int, low: int) -> float:
    """Return q = -log(1 - u) for the two random words of a token: u is their low 53 bits over 2^53.

    >>> exponential_time(1 << 20, 0)
    0.6931471805599453
    """
    u = ((high & 0x1FFFFF) << 32 | low) * TWO_TO_MINUS_53
    return -log1p(-u) or AT_ONCE


@cache
def least_log_times() -> tuple[float, ...]:  # [BINS]
    """Return log(q) for the smallest u of each bin, u = 0, 1/256, ...: no time in the bin is shorter."""
    return (log(0.0), *(log(-log1p(-u / BINS)) for u in range(1, BINS)))
