"""The checks of `compare`: every component against NumPy, PyTorch, transformers and exact arithmetic."""
