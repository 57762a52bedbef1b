"""What the pages of the console cost where a restaurant is large."""
