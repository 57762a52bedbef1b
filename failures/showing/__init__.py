"""How a case is shown to the person who has to end it: in words, from rows that were read. It writes nothing."""
