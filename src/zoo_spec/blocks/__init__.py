"""The building blocks: one file a kind, with its fields, shape rule, parameters and cost."""
