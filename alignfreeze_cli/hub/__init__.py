"""Publishing: what a folder is (facts, scores), its card and picture, the checks before a push, and the push."""
