//! Worlds that went wrong once, each by the name of what went wrong.
