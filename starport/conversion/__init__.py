"""From one format of checkpoints to another."""
