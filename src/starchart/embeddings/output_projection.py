"""Output projection: every token of the vocabulary gets a score, the logit, for being the next token.

    logits = x wte^T

The table is wte, that of the input (a tied head), unless the checkpoint has an lm_head. There is no bias.
Source: Press and Wolf 2017, section 2; Radford et al. 2018, equation 2.
"""

from starchart.utils.matrix import Matrix
from starchart.utils.matrix_multiply import multiply_transposed


def output_projection(x: Matrix, table: Matrix, last_only: bool) -> list[list[float]]:  # [T][C], [V][C] -> [T][V]
    """Return the dot product of every token's vector with every row of `table`.

    With `last_only` only the last token's: [1][V].

    >>> output_projection([[9.0, 9.0], [1.0, 2.0]], [[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]], last_only=True)
    [[1.0, 2.0, 3.0]]
    """
    return multiply_transposed(x[-1:] if last_only else x, table)
