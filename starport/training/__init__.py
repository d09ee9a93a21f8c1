"""Training: a GPT-2 of any size from text files, with PyTorch."""
