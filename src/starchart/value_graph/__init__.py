"""Where every named value of a run comes from: its operation, what goes in, and how one number follows from others."""
