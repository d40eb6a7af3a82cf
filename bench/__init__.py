"""Measurements of TAlk, each one command. None of it is a test: a busy machine makes every figure worse."""
