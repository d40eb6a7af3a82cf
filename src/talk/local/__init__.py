"""This machine: folders, locks on them, and the control sockets beside them. Knows nothing of chat."""
