"""What ``start_up.py`` starts."""
