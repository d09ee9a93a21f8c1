"""The whole GPT-2: its configuration, its stack of blocks, and the way from tokens to logits."""
