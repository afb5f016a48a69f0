"""What to expect of realignment in a language before it is run: statistics of the gains that are known."""
