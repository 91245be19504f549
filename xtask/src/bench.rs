//! Measurements of the release build. Each prints figures of the machine it ran on; none is compared with a stored figure.

pub(crate) mod gateway;
pub(crate) mod start;
