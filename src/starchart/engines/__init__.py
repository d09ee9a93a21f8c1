"""Engines: the operations that the one definition of GPT-2 runs on."""
