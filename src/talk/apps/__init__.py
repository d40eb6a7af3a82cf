"""Programs for people: widgets and words, no logic."""
