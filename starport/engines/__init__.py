"""Engines that use a library: the operations of the model over PyTorch's tensors."""
