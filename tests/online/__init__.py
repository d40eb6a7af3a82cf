"""Real processes, real sockets: everything here is done the way a person or a script would."""
