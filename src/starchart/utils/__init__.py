"""The basic operations: operations on plain numbers, vectors and matrices."""
