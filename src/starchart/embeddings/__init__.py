"""Where tokens become vectors, and vectors become scores of tokens again."""
