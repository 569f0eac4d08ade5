"""Tuning: the settings of a run that give the best score inside a budget, found by measuring."""
