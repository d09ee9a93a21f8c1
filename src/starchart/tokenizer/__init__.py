"""Text to token ids and back: GPT-2's byte-level byte-pair encoding, and its trainer. Independent of the model."""
