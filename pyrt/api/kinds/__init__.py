"""One file a kind: its columns, and what is peculiar to it."""
