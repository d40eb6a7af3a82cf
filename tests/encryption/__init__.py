"""Tests of talk.encryption."""
