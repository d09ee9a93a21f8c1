"""The .bin files of llm.c: a header of 256 numbers, and the parameters one after another."""
