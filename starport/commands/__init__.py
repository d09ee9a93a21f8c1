"""The commands of `starchart`, one file each. Only this room uses argparse."""
