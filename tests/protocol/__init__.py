"""Tests of talk.protocol."""
