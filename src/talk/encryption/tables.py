"""The tables of this package. A released migration never changes; a new one is added below it.

Secrets stand here in the clear, because the whole file is encrypted.
"""

MIGRATIONS: tuple[tuple[str, ...], ...] = (
    (
        # This device: one row. `identity` is the public document; the three seeds are Ed25519 private keys.
        """CREATE TABLE own (
            id INTEGER PRIMARY KEY CHECK (id = 1),
            server TEXT NOT NULL, account TEXT NOT NULL, device TEXT NOT NULL,
            ed25519 TEXT NOT NULL, curve25519 TEXT NOT NULL,
            identity BLOB NOT NULL, self_signing BLOB NOT NULL, master BLOB, user_signing BLOB) STRICT""",
        # `replacing`: the server must throw away what it has of our one-time keys when it gets the next ones.
        """CREATE TABLE olm (
            id INTEGER PRIMARY KEY CHECK (id = 1), pickle TEXT NOT NULL, replacing INTEGER NOT NULL) STRICT""",
        """CREATE TABLE contacts (
            account TEXT PRIMARY KEY, self_signing TEXT NOT NULL, version INTEGER NOT NULL, since INTEGER NOT NULL,
            name TEXT NOT NULL, skeleton TEXT NOT NULL) STRICT, WITHOUT ROWID""",
        # A device that left its account's list stays, unlisted: its keys remain pinned and its messages seen.
        """CREATE TABLE devices (
            id INTEGER PRIMARY KEY, account TEXT NOT NULL REFERENCES contacts, device TEXT NOT NULL,
            ed25519 TEXT NOT NULL, curve25519 TEXT NOT NULL, listed INTEGER NOT NULL,
            sent INTEGER NOT NULL DEFAULT 0, received INTEGER NOT NULL DEFAULT 0, broken INTEGER NOT NULL DEFAULT 0,
            UNIQUE (account, device)) STRICT""",
        "CREATE TABLE names (skeleton TEXT PRIMARY KEY, name TEXT NOT NULL, account TEXT NOT NULL) STRICT",
        "CREATE TABLE moved (skeleton TEXT PRIMARY KEY, name TEXT NOT NULL, account TEXT NOT NULL) STRICT",
        "CREATE TABLE blocked (account TEXT PRIMARY KEY) STRICT",
        """CREATE VIEW people AS
            SELECT c.account, c.name, n.account IS NOT NULL AND n.account != c.account AS disputed, c.version,
                b.account IS NOT NULL AS blocked, c.since
            FROM contacts c LEFT JOIN names n USING (skeleton) LEFT JOIN blocked b ON b.account = c.account""",
        # `used` orders the sessions of a device by when they were made or last decrypted something.
        """CREATE TABLE sessions (
            device INTEGER NOT NULL REFERENCES devices, session TEXT NOT NULL, used INTEGER NOT NULL,
            confirmed INTEGER NOT NULL, pickle TEXT NOT NULL, PRIMARY KEY (device, session)) STRICT""",
        """CREATE TABLE seen (
            device INTEGER NOT NULL REFERENCES devices, id TEXT NOT NULL, PRIMARY KEY (device, id))
            STRICT, WITHOUT ROWID""",
    ),
    (
        # People who were compared, in milliseconds since 1970, and in which way. An account is the hash of its master
        # key, so nothing else has to be kept.
        """CREATE TABLE verified (
            account TEXT PRIMARY KEY, at INTEGER NOT NULL, how TEXT NOT NULL) STRICT, WITHOUT ROWID""",
        "DROP VIEW people",
        """CREATE VIEW people AS
            SELECT c.account, c.name, n.account IS NOT NULL AND n.account != c.account AS disputed, c.version,
                b.account IS NOT NULL AS blocked, c.since, coalesce(v.at, 0) AS verified
            FROM contacts c LEFT JOIN names n USING (skeleton) LEFT JOIN blocked b ON b.account = c.account
            LEFT JOIN verified v ON v.account = c.account""",
    ),
)
