"""The client's tables, in the same encrypted file as the keys. A released migration never changes.

`messages.row` is the order of arrival on this device, and of writing for what has no place in its room yet. What a
program was shown is a row number too (`profile.shown`).
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
    (
        # Why a line of one's own has failed, and whom it was for as it was typed.
        "ALTER TABLE messages ADD COLUMN reason TEXT NOT NULL DEFAULT ''",
        "ALTER TABLE messages ADD COLUMN typed TEXT NOT NULL DEFAULT ''",
        # From here on: mark '' is what others wrote; seq is NULL for what has no place in a room (yet), and 0 for what
        # had one in an earlier epoch.
        "UPDATE messages SET mark = 'stored' WHERE mark = '' AND account = (SELECT account FROM own)",
        "UPDATE messages SET seq = 0 WHERE seq IS NULL AND conversation IN (SELECT room FROM rooms)",
        # What was said and not sent yet stood in the outbox alone.
        """INSERT OR IGNORE INTO messages (conversation, id, account, device, name, text, at, mark)
            SELECT target, outbox.id, own.account, own.device, profile.name,
                json_extract(CAST(content AS TEXT), '$.text'), strftime('%s', 'now') * 1000, 'sending'
            FROM outbox, own, profile WHERE kind = 'say' ORDER BY outbox.row""",
        "CREATE INDEX messages_by_id ON messages (id)",
        "CREATE INDEX messages_of_others ON messages (conversation, row) WHERE mark = ''",
        # key: a room id or an account. read: the row up to which a person has read it.
        """CREATE TABLE conversations (
            key TEXT PRIMARY KEY, read INTEGER NOT NULL DEFAULT 0, draft TEXT NOT NULL DEFAULT '',
            muted INTEGER NOT NULL DEFAULT 0) STRICT, WITHOUT ROWID""",
        # What a program has taken by now was read in a terminal.
        "INSERT INTO conversations (key, read) SELECT DISTINCT conversation, shown FROM messages, profile",
        # What the server held of a private message: row is the message's, sizes are JSON.
        """CREATE TABLE held (
            row INTEGER PRIMARY KEY, id TEXT NOT NULL, sender TEXT NOT NULL, sender_device TEXT NOT NULL,
            recipient TEXT NOT NULL, at INTEGER NOT NULL, sizes TEXT NOT NULL, ciphertext TEXT NOT NULL) STRICT""",
    ),
    (
        # What stands at these numbers: the id of the mail `mail`, of the line `seq`; '' while it is not known.
        "ALTER TABLE profile ADD COLUMN mail_id TEXT NOT NULL DEFAULT ''",
        "ALTER TABLE rooms ADD COLUMN id TEXT NOT NULL DEFAULT ''",
    ),
)
