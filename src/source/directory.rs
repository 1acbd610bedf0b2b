//! The cache natively: two files in the user's cache directory.
