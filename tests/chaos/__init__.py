"""The chaos run: the whole of Steward as plain processes, shot at for some minutes, and three books compared after."""
