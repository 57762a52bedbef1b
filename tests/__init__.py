"""Tests: they mirror the code one to one; scenarios, simulations and fixtures have rooms of their own."""
