"""The operations of starchart.utils beside the truth, NumPy and PyTorch."""
