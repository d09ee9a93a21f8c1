"""NumPy's .npz: a zip of .npy arrays, one for each tensor."""
