"""A small made-up multilingual world on which everything can run without a network."""
