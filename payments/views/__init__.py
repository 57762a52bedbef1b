"""The edges over HTTP: each parses, asks one service, and answers."""
