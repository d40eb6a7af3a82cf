"""The client library against real servers in one event loop, and against servers that lie."""
