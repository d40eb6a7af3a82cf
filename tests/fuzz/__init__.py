"""One small harness for each parser that sees bytes from outside. `python -m tests.fuzz` says how to run them."""
