"""The words on the wire: commands, events, errors, limits, names. Pure: no I/O, no clock."""
