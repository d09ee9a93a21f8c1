"""Attention, which carries information between tokens, and the feed-forward network, which works on each alone."""
