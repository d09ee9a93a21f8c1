"""From bytes on a disk to the weights of a GPT-2: `checkpoint.load_checkpoint` is the way in."""
