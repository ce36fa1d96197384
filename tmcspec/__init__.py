"""What TMC says: frames, messages, signatures, time limits, the life of a message, and clauses that judge a trace."""

__version__ = "0.1.0"
