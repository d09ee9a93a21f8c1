"""The parts of a transformer block: attention (between tokens), feed-forward network (each token by itself)."""
