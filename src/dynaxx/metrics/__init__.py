"""What can be measured on signals and on sets of signals: pure functions, accumulators, intervals."""
