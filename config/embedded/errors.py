class NoServerError(Exception):
    """A private server cannot be had; the message says why and what to do about it."""
