"""The plot of a training: its loss, and the bits per byte of its validations."""

from pathlib import Path

from matplotlib.figure import Figure

from starchart.errors import TrainingError
from starport.training.record import read_rows

_SMOOTHING = 0.98


def draw_loss_curve(losses: Path, picture: Path) -> None:
    """Plot losses.csv: the loss in nats per token, raw and smoothed, and the bits per byte of the validations.

    Raises TrainingError if the plot cannot be written.
    """
    rows = read_rows(losses)
    if not rows:
        return
    tokens = [int(row[1]) / 1e6 for row in rows]
    values = [float(row[3]) for row in rows]
    figure = Figure(figsize=(8, 4.5), layout="constrained")
    axes = figure.add_subplot()
    axes.plot(tokens, values, color="#b8c4d6", linewidth=0.5, label="loss of a step")
    axes.plot(tokens, smoothed(values), color="#1f3a5f", label="smoothed", gid="loss")
    axes.set(xlabel="million tokens read", ylabel="loss, nats per token")
    axes.grid(alpha=0.3)
    if validated := [(int(row[1]) / 1e6, float(row[4])) for row in rows if row[4]]:
        beside = axes.twinx()
        label = f"validation, {validated[-1][1]:.3f} at the end"
        beside.plot(*zip(*validated, strict=True), "o-", color="#c2561a", markersize=3, label=label, gid="validation")
        beside.set_ylabel("validation, bits per byte")
        beside.legend(loc="upper center")
    axes.legend(loc="upper right")
    try:
        figure.savefig(picture, metadata={"Date": None})
    except OSError as error:
        raise TrainingError(f"{picture}: cannot be written: {error.strerror}; the model is complete") from None


def smoothed(values: list[float]) -> list[float]:
    """Return the exponential moving average, corrected for its bias at the start.

    >>> [round(mean, 9) for mean in smoothed([2.0, 2.0])]
    [2.0, 2.0]
    """
    mean, weight, means = 0.0, 0.0, []
    for value in values:
        mean = _SMOOTHING * mean + (1 - _SMOOTHING) * value
        weight = _SMOOTHING * weight + 1 - _SMOOTHING
        means.append(mean / weight)
    return means
