"""Match to counted Failure: the window, and who is never counted. Pure."""
