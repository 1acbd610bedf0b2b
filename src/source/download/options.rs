//! Options of one download.

use core::fmt;

use super::progress::DownloadProgress;
use crate::source::address;

/// The file to download.
#[derive(Clone, Default)]
pub struct DownloadOptions {
    /// Its URL, as [`address::resolve`] returns it.
    pub url: String,
    /// Headers of each request.
    pub headers: Vec<(String, String)>,
    /// The expected SHA-256 of the whole file.
    pub sha256: Option<[u8; 32]>,
    /// Receives the progress.
    pub progress: DownloadProgress,
}

impl fmt::Debug for DownloadOptions {
    /// Leaves out everything that may be secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let url = address::shown(&self.url);
        f.debug_struct("DownloadOptions").field("url", &url).finish_non_exhaustive()
    }
}
