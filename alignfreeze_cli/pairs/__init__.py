"""Word pairs and what they are made from: parallel text, words, links with their filters, and the pairs folder."""
