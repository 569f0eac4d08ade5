"""How long work takes on a device: probed on this machine, or told from published figures, always with an interval."""
