"""The async library that every client and bot is built on: `from talk import Client`."""

from talk.client.client import Client, default_folder
from talk.client.errors import CannotConnect, ClientError, NotPrivate, ProfileError, Rejected, UnknownName
from talk.client.events import (
    ClientEvent,
    Comparing,
    Ended,
    Mark,
    Message,
    Notice,
    Offline,
    Online,
    PeopleChanged,
    PrivateMessage,
    Ready,
    Sent,
)
from talk.encryption.errors import EncryptionError
from talk.protocol.errors import Refused

__all__ = [
    "CannotConnect",
    "Client",
    "ClientError",
    "ClientEvent",
    "Comparing",
    "EncryptionError",
    "Ended",
    "Mark",
    "Message",
    "NotPrivate",
    "Notice",
    "Offline",
    "Online",
    "PeopleChanged",
    "PrivateMessage",
    "ProfileError",
    "Ready",
    "Refused",
    "Rejected",
    "Sent",
    "UnknownName",
    "default_folder",
]
