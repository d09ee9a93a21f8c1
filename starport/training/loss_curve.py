"""The picture of a training: its loss, and what the validation said."""

import csv
from pathlib import Path

from matplotlib.figure import Figure

_SMOOTHING = 0.98


def draw_loss_curve(losses: Path, picture: Path) -> None:
    """Draw losses.csv: the loss in nats a token, smoothed and as it was, and the bits a byte of the validation."""
    with losses.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    tokens = [int(row["tokens"]) / 1e6 for row in rows]
    values = [float(row["loss"]) for row in rows]
    figure = Figure(figsize=(8, 4.5), layout="constrained")
    axes = figure.add_subplot()
    axes.plot(tokens, values, color="#b8c4d6", linewidth=0.5, label="loss of a step")
    axes.plot(tokens, smoothed(values), color="#1f3a5f", label="smoothed")
    axes.set(xlabel="million tokens read", ylabel="loss, nats a token", ylim=(0.9 * min(values), min(8, max(values))))
    axes.grid(alpha=0.3)
    validated = [row for row in rows if row["validation_bits_per_byte"]]
    if validated:
        beside = axes.twinx()
        at = [int(row["tokens"]) / 1e6 for row in validated]
        bits = [float(row["validation_bits_per_byte"]) for row in validated]
        beside.plot(at, bits, "o-", color="#c2561a", markersize=3, label=f"validation, {bits[-1]:.3f} at the end")
        beside.set_ylabel("validation, bits a byte")
        beside.legend(loc="upper center")
    axes.legend(loc="upper right")
    figure.savefig(picture, metadata={"Date": None})


def smoothed(values: list[float]) -> list[float]:
    """Return the running mean of values, in which the past fades; it begins without a bias.

    >>> smoothed([2.0, 2.0])
    [2.0, 2.0]
    """
    mean, weight, means = 0.0, 0.0, []
    for value in values:
        mean = _SMOOTHING * mean + (1 - _SMOOTHING) * value
        weight = _SMOOTHING * weight + 1 - _SMOOTHING
        means.append(mean / weight)
    return means
