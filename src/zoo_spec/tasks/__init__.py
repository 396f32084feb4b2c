"""What a task adds to a backbone: a head, a loss, its metrics."""
