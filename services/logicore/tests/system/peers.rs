//! Other people's programs against the running system.
