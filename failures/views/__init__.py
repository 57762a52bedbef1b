"""The queue over HTTP, one module for each thing in it."""
