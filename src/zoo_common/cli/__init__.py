"""The command line: one module a command, none of which imports what it does not use."""
