"""A small real vocabulary, trained within the tests on a few sentences, so that they need no data from elsewhere."""

from functools import cache

from starchart.tokenizer.trainer import train_bpe

TALE = (
    "Once upon a time there was a star that would not shine. The moon asked the star, and the star said nothing.\n\n"
    '"Why don\'t you shine?" the moon asked. "I\'m tired," said the star; "there are 1,001 of us, and who\'d see?"\n'
    "Es war einmal ein Stern, größer als die anderen. Жила-была звезда, и звезда молчала.\n"
    "昔々、星が一つありました。🌟🌟\n"
)


@cache
def small_vocabulary() -> tuple[dict[str, int], list[tuple[str, str]]]:
    """Return tokens with their ids and merges: <|endoftext|> is 0, the bytes follow."""
    return train_bpe([TALE], 400, min_frequency=1)
