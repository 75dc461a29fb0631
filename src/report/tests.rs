//! See also `tests/`.
