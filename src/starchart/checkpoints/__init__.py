"""From bytes on a disk to the weights of a GPT-2: begin with `checkpoint.load_checkpoint`."""
