"""Adapters of the store port: SQLite, and memory for tests."""
