//! The streams of captures, byte by byte, as tshark follows them.
