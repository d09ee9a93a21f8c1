"""Zip archives: where their members lie. PyTorch's files are zips, and so are NumPy's."""
