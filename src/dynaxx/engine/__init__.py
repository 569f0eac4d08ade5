"""Run a cascade: build its stages, carry out the plan, record what was done."""
