"""`talk prove`: a server and people on this machine, everything broken on purpose, and every message checked."""
