"""The proof: every component beside NumPy, PyTorch, transformers and exact arithmetic."""
