"""The parts of a folder that ``transformers`` reads: its configuration, its weights, its tokenizer."""
