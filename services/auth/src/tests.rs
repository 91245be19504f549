//! Claims about the whole domain.
