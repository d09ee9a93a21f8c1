"""ReLU, the rectified linear unit.

    relu(x) = max(x, 0)

Source: Nair and Hinton, Rectified Linear Units Improve Restricted Boltzmann Machines, ICML 2010.
"""


def relu(x: float) -> float:
    """Return x where it is positive, 0.0 where it is not, nan for nan.

    >>> relu(-2.0), relu(3.0)
    (0.0, 3.0)
    """
    return 0.0 if x <= 0.0 else x
