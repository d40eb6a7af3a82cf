"""The async library that every client and bot is built on."""


class Client:
    """Placeholder for the import above; replaced when the client lands."""
