"""The server: rules without I/O, the doors bytes come in by, the stores records go to. It cannot open sealed mail."""
