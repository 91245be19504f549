//! The whole way out, against real servers on loopback.
