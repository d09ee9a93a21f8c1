"""Facts that others have published about OpenAI's checkpoints: parameter counts, greedy continuations, perplexities.

All continuations are greedy and in float32. Those in float16, sampled ones and contrastive search are left out.
"""

from dataclasses import dataclass

_HF_TESTS = "transformers, tests/models/gpt2"
_FASTGPT = "fastGPT, its tests"
_PAPER = "Radford et al. 2019, table 2, with the sizes that OpenAI gives since"


@dataclass(frozen=True)
class Parameters:
    """The number of parameters of a checkpoint, tied weights counted once, to the given unit."""

    model: str
    count: int
    unit: int  # 1: exactly, 10**6: in millions
    source: str


@dataclass(frozen=True)
class Continuation:
    """The greedy continuation of a prompt: each token is the most probable one."""

    model: str
    prompt: str | tuple[int, ...]  # text or ids
    expected: str | tuple[int, ...]
    source: str

    @property
    def name(self) -> str:
        """The prompt, shortened."""
        text = self.prompt if isinstance(self.prompt, str) else " ".join(map(str, self.prompt))
        return text if len(text) <= 24 else text[:21] + "..."


@dataclass(frozen=True)
class Perplexity:
    """The perplexity per token of the raw WikiText-2 test set.

    The text is read in windows of 1024 tokens, `stride` apart. Each window predicts the tokens that are new in it.
    """

    model: str
    value: float
    stride: int
    source: str


PARAMETERS = (
    Parameters("gpt2", 124_439_808, 1, "llm.c"),
    Parameters("gpt2", 124, 10**6, _PAPER),
    Parameters("gpt2-medium", 355, 10**6, _PAPER),
    Parameters("gpt2-large", 774, 10**6, _PAPER),
    Parameters("gpt2-xl", 1558, 10**6, _PAPER),
)

CONTINUATIONS = (
    Continuation(
        "gpt2",
        (464, 3290),
        (373, 1043, 287, 257, 2214, 1474, 262, 16246, 286, 2688, 290, 2688, 27262, 13, 198, 198, 464, 3290),
        _HF_TESTS,
    ),
    Continuation("gpt2", "Hello, my dog is a little", " bit of a mess. I'm not sure if he's going", _HF_TESTS),
    Continuation("gpt2", "Today, I", "'m going to be doing a lot of research on this. I", _HF_TESTS),
    Continuation(
        "gpt2",
        "The flying machine",
        " is a small, lightweight, and lightweight aircraft that can be used for any type of",
        _HF_TESTS,
    ),
    Continuation(
        "gpt2",
        "Alan Turing theorized that computers would one day become",
        " the most powerful machines on the planet.\n\nThe computer is a machine that can perform complex calculations,"
        " and it can perform these calculations in a way that is very similar to the human brain.",
        "picoGPT, README",
    ),
    Continuation(
        "gpt2",
        (36235, 39141, 18765, 1143, 326, 9061, 561, 530, 1110, 1716, 845, 3665, 11, 475, 772, 339, 714, 407, 5967),
        (703, 484, 561, 307, 1498, 284, 466, 523, 13, 198, 198, 1, 40, 892, 326, 262, 749, 1593, 1517, 318),
        _FASTGPT,
    ),
    Continuation(
        "gpt2",
        (46, 358, 129, 247, 68, 73, 34754, 234, 861, 8836, 74, 373, 4642, 287),
        (1248, 5332, 287, 262, 7404, 286, 25370, 254, 368, 83, 6557, 81, 11),
        _FASTGPT,
    ),
    Continuation("gpt2", (15017, 6033, 318), (257, 1748, 286, 517, 621, 352, 1510, 661), _FASTGPT),
    Continuation(
        "gpt2", (34, 945, 389), (407, 3142, 284, 307, 973, 287, 262, 7647, 1256, 286, 257, 7072, 13), _FASTGPT
    ),
    Continuation(
        "gpt2-medium",
        "What is the answer to life, the universe, and everything?",
        "\n\nThe answer is that we are all one",
        "tinygrad, the test of its GPT-2",
    ),
    Continuation("gpt2-medium", "Hello.", " I'm a little late to the party, but", "tinygrad, the test of its GPT-2"),
)

PERPLEXITIES = (
    Perplexity("gpt2", 29.94, 1024, "https://github.com/karpathy/llm.c/pull/276"),
    Perplexity("gpt2-large", 19.44, 1024, "transformers, the page on perplexity"),
    Perplexity("gpt2-large", 16.44, 512, "transformers, the page on perplexity"),
)
