"""What realignment did: scores of many runs as tables, tests, plots and one page."""
