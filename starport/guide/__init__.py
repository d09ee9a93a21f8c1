"""The Guide: its chapters as data, and their code."""
