"""The real window on a virtual screen, with real keys and clicks, a real server and other people's real clients."""
