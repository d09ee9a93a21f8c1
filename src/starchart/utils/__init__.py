"""The basic operations on plain numbers, vectors and matrices."""
