"""The ground of the HTTP API: how requests are read and refused, how lists are cut. It knows no app."""
