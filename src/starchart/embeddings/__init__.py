"""From tokens to vectors, and from vectors to scores of tokens."""
