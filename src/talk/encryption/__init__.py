"""What the encrypted side of TAlk is made of: the only importer of vodozemac, SQLCipher and the keyring.

Everything is synchronous, belongs to the thread that opened the database, and keeps nothing in memory between calls: a
ratchet is loaded, used and saved inside one transaction, together with what the client saves beside it.

    vault      the key of a profile            identity   the keys of this account, and its signatures
    database   the encrypted file              keys       one-time keys for those who want to write to us
    contacts   people whose keys are pinned    sessions   Olm sessions with their devices
    names      names pinned to accounts        messages   seal and unseal
"""
