"""What is particular to AlignFreeze: which blocks train, how words become vectors, and what pulls them together."""
