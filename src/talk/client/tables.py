"""The client's tables, in the same encrypted file as the keys. A released migration never changes.

`messages.row` is the order of arrival on this device; what a program was shown is a row number too (`profile.shown`).
"""

MIGRATIONS: tuple[tuple[str, ...], ...] = (
    (
        """CREATE TABLE profile (
            id INTEGER PRIMARY KEY CHECK (id = 1),
            link TEXT NOT NULL, name TEXT NOT NULL, registered INTEGER NOT NULL, epoch TEXT NOT NULL,
            mail INTEGER NOT NULL, shown INTEGER NOT NULL) STRICT""",
        # Every name this profile went by, so that an old command line still finds it.
        "CREATE TABLE own_names (name TEXT PRIMARY KEY) STRICT, WITHOUT ROWID",
        "CREATE TABLE rooms (room TEXT PRIMARY KEY, name TEXT NOT NULL, seq INTEGER NOT NULL) STRICT",
        # conversation: a room id, or the account of the other person, or '' while nobody could say whose name it is.
        # It is part of the key, because a server could take a place beforehand with a line in a room that has the id
        # of somebody's private message. mark: '' for what others wrote.
        """CREATE TABLE messages (
            row INTEGER PRIMARY KEY AUTOINCREMENT, conversation TEXT NOT NULL, id TEXT NOT NULL,
            account TEXT NOT NULL, device TEXT NOT NULL, name TEXT NOT NULL, text TEXT NOT NULL, at INTEGER NOT NULL,
            seq INTEGER, mark TEXT NOT NULL, missed INTEGER NOT NULL DEFAULT 0,
            UNIQUE (device, id, conversation)) STRICT""",
        "CREATE INDEX messages_by_conversation ON messages (conversation, row)",
        # target: a room id, an account, or '' while nobody could say whose name it is.
        """CREATE TABLE outbox (
            row INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, kind TEXT NOT NULL, target TEXT NOT NULL,
            name TEXT NOT NULL, content BLOB NOT NULL, due INTEGER NOT NULL, frame BLOB) STRICT""",
        # What was sent privately, for as long as a device may ask to have it again.
        """CREATE TABLE sent (
            id TEXT PRIMARY KEY, kind TEXT NOT NULL, account TEXT NOT NULL, content BLOB NOT NULL,
            at INTEGER NOT NULL, again INTEGER NOT NULL) STRICT, WITHOUT ROWID""",
        "CREATE TABLE undecryptable (n INTEGER PRIMARY KEY) STRICT",
        # How many messages of a device did come and could not be opened: these are not the ones that were kept back.
        "CREATE TABLE unopened (device TEXT PRIMARY KEY, count INTEGER NOT NULL) STRICT",
    ),
)
