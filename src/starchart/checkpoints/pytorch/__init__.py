"""PyTorch: what torch.save writes, read without torch and without Python's pickle. One file, or shards."""
