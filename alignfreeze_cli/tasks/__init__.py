"""Tasks to fine-tune and evaluate on: a registry with one file each, and the two steps that serve them all."""
