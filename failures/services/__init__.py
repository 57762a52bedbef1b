"""The only writers of cases: opened by events in their transaction, worked on and ended by people or by evidence."""
