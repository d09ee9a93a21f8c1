"""What is in this folder and no test: a program for another Python, which has TransformerLens."""

collect_ignore = ["transformer_lens_values.py"]
