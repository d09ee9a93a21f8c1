"""The format of llm.c, karpathy's GPT-2 in C: one file with a header and the weights."""
