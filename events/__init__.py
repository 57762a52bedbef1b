"""What happened: immutable event rows, the history of every transition, and who hears of them."""
