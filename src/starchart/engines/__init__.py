"""Engines: objects with the operations that the definition of GPT-2 calls."""
