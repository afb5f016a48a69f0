"""Parallel text → word pairs: readers, segmentation, aligners, filters, and the pairs folder."""
