"""What both frameworks share and neither is needed for: data, checkpoints, the loop, parity, the commands."""
