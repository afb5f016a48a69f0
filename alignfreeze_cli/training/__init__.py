"""One training loop for realigning and fine-tuning: `loop.train`, with checkpoints that survive any kill."""
