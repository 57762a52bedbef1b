"""Many cases at once: planned without doing anything, started by the person, done by the clock one by one."""
