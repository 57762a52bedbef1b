"""The API over HTTP: what it takes, refuses, answers and promises."""
