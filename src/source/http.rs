//! Files by `fetch`.
