"""What the encrypted side of TAlk is made of: the only importer of the ratchet library."""
