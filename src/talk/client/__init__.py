"""The async library that every client and bot is built on: `from talk import Client`."""

from talk.client.client import Client, default_folder
from talk.client.conversations import Conversation, Details, Line, ServerRecord
from talk.client.errors import CannotConnect, ClientError, NotPrivate, ProfileError, Rejected, UnknownName
from talk.client.events import (
    CatchingUp,
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
    Renamed,
    Sent,
)
from talk.encryption.errors import EncryptionError
from talk.protocol.errors import Refused

__all__ = [
    "CannotConnect",
    "CatchingUp",
    "Client",
    "ClientError",
    "ClientEvent",
    "Comparing",
    "Conversation",
    "Details",
    "EncryptionError",
    "Ended",
    "Line",
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
    "Renamed",
    "Sent",
    "ServerRecord",
    "UnknownName",
    "default_folder",
]
