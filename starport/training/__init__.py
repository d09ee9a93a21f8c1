"""Training: trains a GPT-2 of any size on text files, with PyTorch."""
