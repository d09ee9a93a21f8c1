"""The arithmetic of the packed engine: products of vectors and matrices as sums of big integers."""
