//! Session descriptions (RFC 8866) with ICE in them (RFC 8839, RFC 8840): what peers exchange.
