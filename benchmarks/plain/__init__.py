"""The straightforward implementations: written to be read. Each is compared with ours before it is timed."""
