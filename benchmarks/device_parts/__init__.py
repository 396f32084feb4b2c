"""The stages of ``device.py``, each a script, and what they run on."""
