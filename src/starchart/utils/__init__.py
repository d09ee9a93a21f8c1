"""The laws of physics: operations on plain numbers, vectors and matrices."""
