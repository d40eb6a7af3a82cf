"""The servers that are measured side by side: how each is started, logged in to, and spoken to."""
