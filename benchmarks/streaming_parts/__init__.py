"""What ``streaming.py`` runs in processes of their own, each a script, and the run of a large model."""
