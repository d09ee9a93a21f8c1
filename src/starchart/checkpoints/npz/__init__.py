"""NumPy archives: one file with an array for every tensor."""
