"""What starts Steward and its servers on one machine: for the first minute and for tests, never in production."""
