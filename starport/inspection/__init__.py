"""What is in a checkpoint."""
