//! Provider drivers.
