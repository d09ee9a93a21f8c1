"""Linear layer.

    y = x W + b

GPT-2's checkpoints store W as [in][out] (OpenAI's name for it is Conv1D); PyTorch's own Linear stores the transpose.
Source: openai/gpt-2, src/model.py, conv1d.
"""

from dataclasses import dataclass
from typing import Annotated

from starchart.utils.add_matrices import add_vectors
from starchart.utils.matrix import Matrix, Vector
from starchart.utils.matrix_multiply import matrix_multiply


def linear_layer(x: Matrix, weight: Matrix, bias: Vector) -> list[list[float]]:  # [T][in], [in][out], [out] -> [T][out]
    """Return x W + b.

    >>> linear_layer([[1.0, 2.0]], [[3.0, 4.0, 5.0], [6.0, 7.0, 8.0]], [0.5, 0.0, -0.5])
    [[15.5, 18.0, 20.5]]
    """
    return [add_vectors(row, bias) for row in matrix_multiply(x, weight)]


@dataclass(frozen=True)
class LinearWeights:
    """W as the checkpoint has it, [in][out], and b."""

    weight: Annotated[Matrix, "in", "out"]
    bias: Annotated[Vector, "out"]
