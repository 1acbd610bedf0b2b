//! Block formats: one file each, joined by one table row.
