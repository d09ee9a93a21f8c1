"""The activation functions, by their names in config.json (Hugging Face's `activation_function`)."""

from collections.abc import Callable

from starchart.utils.elementary.tanh import tanh
from starchart.utils.gelu import gelu, gelu_fast, gelu_new
from starchart.utils.matrix import Matrix
from starchart.utils.relu import relu
from starchart.utils.silu import silu


def activate(x: Matrix, name: str) -> list[list[float]]:  # [T][F] -> [T][F]
    """Apply the activation function called `name` to every entry of `x`."""
    function = ACTIVATIONS[name]
    return [[function(value) for value in row] for row in x]


ACTIVATIONS: dict[str, Callable[[float], float]] = {
    "gelu_new": gelu_new,
    "gelu": gelu,
    "gelu_pytorch_tanh": gelu_new,
    "gelu_python_tanh": gelu_new,
    "gelu_accurate": gelu_new,
    "gelu_python": gelu,
    "gelu_fast": gelu_fast,
    "relu": relu,
    "silu": silu,
    "swish": silu,
    "tanh": tanh,
}
