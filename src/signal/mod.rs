//! Signalling, sans-IO: how two peers exchange their descriptions.
