"""Models by name: where Hugging Face's tools keep what they downloaded."""
