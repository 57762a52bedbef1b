"""The only writers of payments, one module a job. Edges call these and nothing below them."""
