"""Safetensors: the format of the Hugging Face hub. One file, or several with an index."""
