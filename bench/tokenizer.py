"""Our tokenizer beside tiktoken and the tokenizers library, on the same text in the same run, one thread each.

    python bench/tokenizer.py [--text FILE] [--bytes 5_000_000] [--vocabulary DIR] [--train 4096]

The ids are compared first: all three must be equal. Cold is a new Tokenizer, which has seen no text yet; warm is the
same text again. tiktoken and tokenizers are warm too. Importing the tokenizer (which compiles its patterns) and loading
the vocabulary are timed by themselves, in a new Python.

--train N also trains a vocabulary of N tokens on the whole file, with ours and with the tokenizers library, and
compares the files that both write.

Needs tiktoken, tokenizers and pytest (which tests/data.py imports).
"""

import argparse
import os
import platform
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable
from datetime import date
from importlib.metadata import version
from pathlib import Path
from time import perf_counter

os.environ["RAYON_NUM_THREADS"] = "1"  # tokenizers would train on all cores

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "src"), str(ROOT)]

from tokenizers import ByteLevelBPETokenizer  # noqa: E402

from starchart.tokenizer.tokenizer import Tokenizer  # noqa: E402
from starchart.tokenizer.trainer import train_bpe  # noqa: E402
from starchart.tokenizer.training_files import read_lines, save_vocabulary  # noqa: E402
from tests.data import DATA  # noqa: E402
from tests.tokenizer.gpt2_vocabulary import write_gpt2_vocabulary  # noqa: E402
from tests.tokenizer.references import tiktoken_gpt2  # noqa: E402

START = "import sys; sys.path.insert(0, sys.argv[1])\n"
LOAD = START + "from starchart.tokenizer.tokenizer import Tokenizer; Tokenizer.from_pretrained(sys.argv[2])"


def seconds(work: Callable[[], object]) -> float:
    start = perf_counter()
    work()
    return perf_counter() - start


def median(work: Callable[[], object], repeats: int) -> float:
    return statistics.median(seconds(work) for _ in range(repeats))


def processor() -> str:
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    return next((line.partition(": ")[2] for line in lines if line.startswith("model name")), platform.machine())


def new_python(program: str, folder: Path) -> Callable[[], object]:
    command = [sys.executable, "-I", "-S", "-c", program, str(ROOT / "src"), str(folder)]
    return lambda: subprocess.run(command, check=True)


def compare_encoders(text: str, folder: Path) -> None:
    """Check that the ids are equal, then print the table."""
    ours, openai = Tokenizer.from_pretrained(folder), tiktoken_gpt2(folder)
    library = ByteLevelBPETokenizer(str(folder / "vocab.json"), str(folder / "merges.txt"))
    ids = ours.encode(text)
    if not ids == openai.encode_ordinary(text) == library.encode(text).ids or ours.decode(ids) != text:
        sys.exit("the ids differ")
    megabytes = len(text.encode()) / 1e6
    fresh = [Tokenizer.from_pretrained(folder) for _ in range(5)]
    times = {
        "ours, cold": statistics.median(seconds(lambda t=tokenizer: t.encode(text)) for tokenizer in fresh),
        "ours, warm": median(lambda: ours.encode(text), 9),
        "tiktoken": median(lambda: openai.encode_ordinary(text), 9),
        "tokenizers": median(lambda: library.encode(text), 3),
        "ours, decode": median(lambda: ours.decode(ids), 9),
    }
    print(f"{megabytes:.1f} MB, {len(ids):,} ids, equal for all three\n")
    print(f"{'':14}{'seconds':>9}{'MB/s':>8}{'x tiktoken':>12}")
    for name, time in times.items():
        print(f"{name:14}{time:9.3f}{megabytes / time:8.1f}{times['tiktoken'] / time:12.2f}")
    load = median(new_python(LOAD, folder), 7) - median(new_python(START, folder), 7)
    print(f"\nimport and load the vocabulary, in a new Python: {load:.3f} s")


def compare_trainers(text_file: Path, vocab_size: int) -> None:
    """Train both on the file and compare what they write."""
    with tempfile.TemporaryDirectory() as ours, tempfile.TemporaryDirectory() as theirs:
        our_time = seconds(lambda: save_vocabulary(ours, *train_bpe(read_lines([text_file]), vocab_size)))
        library = ByteLevelBPETokenizer()
        options = {"vocab_size": vocab_size, "min_frequency": 2, "special_tokens": ["<|endoftext|>"]}
        their_time = seconds(lambda: library.train([str(text_file)], show_progress=False, **options))
        library.save_model(theirs)
        for name in ("vocab.json", "merges.txt"):
            if Path(ours, name).read_bytes() != Path(theirs, name).read_bytes():
                sys.exit(f"{name} differs")
    size = text_file.stat().st_size / 1e6
    print(f"\ntraining {vocab_size} tokens on {size:.1f} MB, both files equal byte for byte:")
    print(f"ours {our_time:.1f} s, tokenizers {their_time:.1f} s (one thread)")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--text", type=Path, default=DATA / "tales" / "train.txt")
    parser.add_argument("--bytes", type=int, default=5_000_000)
    parser.add_argument("--vocabulary", type=Path, help="folder with vocab.json and merges.txt (default: GPT-2's)")
    parser.add_argument("--train", type=int, metavar="N")
    options = parser.parse_args()
    peers = ", ".join(f"{name} {version(name)}" for name in ("tiktoken", "tokenizers"))
    print(f"{date.today()}, {platform.platform()}, {processor()}, {os.cpu_count()} cores")
    print(f"{platform.python_implementation()} {platform.python_version()}, {peers}")
    text = options.text.read_bytes()[: options.bytes].decode("utf-8", "ignore")  # the cut may be inside a character
    with tempfile.TemporaryDirectory() as folder:
        compare_encoders(text, options.vocabulary or write_gpt2_vocabulary(Path(folder)))
    if options.train:
        compare_trainers(options.text, options.train)


if __name__ == "__main__":
    main()
