"""The ground every app stands on: clock, ids, money, encrypted fields, crash points. It knows no app."""
