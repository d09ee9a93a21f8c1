"""The ways in which files write numbers: their names and sizes, and how they become arrays of floats and back."""
