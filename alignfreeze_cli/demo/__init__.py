"""The small multilingual world that everything can run on without a network."""
