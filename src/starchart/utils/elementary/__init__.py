"""exp, log, log1p, tanh, erf and the normal distribution: the same bits on every machine."""
