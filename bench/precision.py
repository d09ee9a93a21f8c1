"""What each precision costs, on easy models and on difficult ones: a table of errors against PyTorch in float64.

    python bench/precision.py [--size small|wide|124M] [--with-124M] [--only NAME...] [--texts 3] [--length 32]
                              [--out FILE]
    python bench/precision.py --page docs/PRECISION.md       the table of that page, from bench/results/precision*.txt

For every model of bench/difficult_models.py, a narrow random one, towel, and tales-6m where the shared data is there:
the root mean square of the logits' error, the same as a multiple of that of transformers in float32, the KL divergence
from the true distribution in nats per token (the mean, and the largest of one token), how many greedy tokens differ,
and the bits of the lanes that were chosen. The texts are random tokens.
"""

import argparse
import platform
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import date
from functools import partial
from pathlib import Path

import torch
import transformers
from torch import Tensor
from transformers import GPT2LMHeadModel

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "src"), str(ROOT)]

from bench.difficult_models import CHANGES, SIZES, text, write_model, write_narrow, write_plain  # noqa: E402
from starchart import GPT2  # noqa: E402
from starchart.engines.packed.arithmetic.lanes import FAST, FULL, Precision  # noqa: E402
from starchart.engines.packed.packed_engine import PackedEngine  # noqa: E402
from tests.data import DATA  # noqa: E402

PRECISIONS = {"full": FULL, "fast": FAST}
ENGINES = ("float32", "bfloat16", *PRECISIONS)
RESULTS = {"256 channels": "precision.txt", "768 channels": "precision_wide.txt", "124M": "precision_124M.txt"}


def models(size: str, with_124m: bool) -> dict[str, Callable[[Path], Path]]:
    """Return, by name, functions that return the folder of a model; they may write it into the folder that they get."""
    found: dict[str, Callable[[Path], Path]] = {"towel": lambda _: ROOT / "src/starchart/box/towel"}
    if (DATA / "models/tales-6m").exists():
        found["tales-6m"] = lambda _: DATA / "models/tales-6m"
    if with_124m:
        found["124M random"] = write_plain
    found["64 channels"] = write_narrow
    return found | {name: partial(write_model, name=name, size=size) for name in CHANGES}


def texts(folder: Path, count: int, length: int) -> list[list[int]]:
    """Return random texts for the model in this folder."""
    vocabulary = transformers.GPT2Config.from_pretrained(folder).vocab_size
    return text(vocabulary, count, length).tolist()


@torch.no_grad()
def by_transformers(folder: Path, dtype: torch.dtype, ids: list[list[int]]) -> Tensor:  # -> [B][T][V]
    """Return the logits by transformers in one dtype."""
    model = GPT2LMHeadModel.from_pretrained(folder, dtype=dtype, attn_implementation="eager").eval()
    return torch.stack([model(torch.tensor([own])).logits[0].double() for own in ids])


def by_packed(
    folder: Path, precision: Precision, ids: list[list[int]], workers: int
) -> tuple[Tensor, str]:  # -> [B][T][V]
    """Return the logits by the packed engine, and the bits of its lanes."""
    engine = PackedEngine(precision, workers)
    with GPT2.from_pretrained(folder, engine) as gpt2:
        return torch.tensor([gpt2.logits(own) for own in ids], dtype=torch.float64), engine.lanes


def rms(logits: Tensor, truth: Tensor) -> float:
    """Return the root mean square of the difference."""
    return (logits - truth).pow(2).mean().sqrt().item()


def nats(logits: Tensor, truth: Tensor) -> Tensor:  # [B][T][V] -> [B][T]
    """Return the KL divergence of every token's distribution from the true one."""
    p, q = truth.log_softmax(-1), logits.log_softmax(-1)
    return (p.exp() * (p - q)).sum(-1).abs()


def rows(name: str, folder: Path, ids: list[list[int]], workers: int) -> Iterator[str]:
    """Yield the rows of the table for one model."""
    truth = by_transformers(folder, torch.float64, ids)
    yield f"{name}: logits differ by {truth.std(-1).median():.2f}"
    unit = 1.0
    for engine in ENGINES:
        lanes = ""
        if engine in PRECISIONS:
            logits, lanes = by_packed(folder, PRECISIONS[engine], ids, workers)
        else:
            logits = by_transformers(folder, getattr(torch, engine), ids)
        error, far = rms(logits, truth), nats(logits, truth)
        unit = error if engine == "float32" else unit
        others = (logits.argmax(-1) != truth.argmax(-1)).sum()
        yield (
            f"    {engine:10} {error:9.2e} {error / unit:9.3g} {far.mean():9.1e} {far.max():9.1e}"
            f" {others:4} of {far.numel()}  {lanes}".rstrip()
        )


def parser(description: str) -> argparse.ArgumentParser:
    """Return the argument parser of this program and of bench/precision_causes.py."""
    options = argparse.ArgumentParser(description=description)
    options.add_argument("--size", choices=tuple(SIZES), default="small", help="of the difficult models")
    options.add_argument("--with-124M", action="store_true", dest="with_124m", help="124M of random weights too")
    options.add_argument("--only", nargs="+", metavar="NAME", help="these models alone")
    options.add_argument("--texts", type=int, default=3)
    options.add_argument("--length", type=int, default=32, help="tokens of a text (default 32)")
    options.add_argument("--workers", type=int, default=1)
    options.add_argument("--out", type=Path, help="where the table is written too")
    return options


def write_table(options: argparse.Namespace, head: str, table: Callable[..., Iterator[str]]) -> None:
    """Print a line with the date and the versions, then the rows of every model; with --out, write them too."""
    lines: list[str] = []
    with ExitStack() as stack:
        out = stack.enter_context(options.out.open("w", encoding="utf-8")) if options.out else None

        def tell(line: str) -> None:
            lines.append(line)
            print(line, file=sys.stdout, flush=True)
            if out:
                print(line, file=out, flush=True)

        tell(
            f"{date.today()}, {platform.machine()}, CPython {platform.python_version()}, torch {torch.__version__},"
            f" transformers {transformers.__version__}; {options.size}: {SIZES[options.size]};"
            f" {options.texts} random texts of {options.length} tokens"
        )
        tell(head)
        for name, write in models(options.size, options.with_124m).items():
            if options.only and name not in options.only:
                continue
            folder = write(Path(stack.enter_context(tempfile.TemporaryDirectory())))
            for line in table(name, folder, texts(folder, options.texts, options.length), options.workers):
                tell(line)


def results(file: Path) -> dict[str, dict[str, list[str]]]:
    """Return the numbers in a file of results: model -> engine -> its columns."""
    found: dict[str, dict[str, list[str]]] = {}
    name = ""
    for line in file.read_text("utf-8").splitlines()[2:]:
        if line.startswith(" "):
            engine, *columns = line.split()
            found[name][engine] = columns
        else:
            name = line.partition(":")[0]
            found[name] = {}
    return found


def page_table() -> list[str]:
    """Return the results of all sizes as a table: full precision by size, fast precision at its worst size."""
    sizes = {size: results(ROOT / "bench/results" / file) for size, file in RESULTS.items()}
    names = dict.fromkeys(name for models in sizes.values() for name in models)
    lines = [f"| model | {' | '.join(f'full, {size}' for size in sizes)} | fast, nats per token | bits of a lane |"]
    lines.append("|---|" + "---|" * (len(sizes) + 2))
    for name in names:
        measured = [models[name] for models in sizes.values() if name in models]
        full = [f"{float(models[name]['full'][1]):.2f}" if name in models else "" for models in sizes.values()]
        worst = max(measured, key=lambda engines: float(engines["fast"][2]))["fast"]
        lines.append(f"| {name} | {' | '.join(full)} | {float(worst[2]):.1e} | {worst[7]} |")
    return lines


def write_page(page: Path) -> None:
    """Put the table between its two comments."""
    start, end = "<!-- table -->\n", "<!-- end of table -->"
    before, _, rest = page.read_text("utf-8").partition(start)
    page.write_text(before + start + "\n".join(page_table()) + "\n" + end + rest.partition(end)[2], "utf-8")


def main() -> int:
    transformers.utils.logging.disable_progress_bar()
    transformers.utils.logging.set_verbosity_error()
    own = parser(__doc__.splitlines()[0])
    own.add_argument("--page", type=Path, help="only write the table of this page, from the results")
    options = own.parse_args()
    if options.page:
        write_page(options.page)
        return 0
    head = f"{'':14} {'rms':>9} {'x float32':>9} {'nats':>9} {'largest':>9} {'other greedy tokens':>12}"
    write_table(options, head, rows)
    return 0


if __name__ == "__main__":
    sys.exit(main())
