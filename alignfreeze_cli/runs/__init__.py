"""Recipes, and running them: settings in YAML become a graph of steps that is worked off, finished parts skipped."""
