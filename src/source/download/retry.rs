//! Retries: transient failures, and the delay before the next attempt.

use web_time::{SystemTime, UNIX_EPOCH};

use crate::error::Error;

/// Failures in a row, without a new byte between them, after which the last one is final.
pub(super) const ATTEMPTS: u32 = 6;

const FIRST_DELAY_MS: u64 = 500;
const MAX_DELAY_MS: u64 = 30_000;
/// Longest delay that a server may ask for. One that asks for more counts as gone.
const MAX_RETRY_AFTER_S: u64 = 120;

/// Whether the same request may succeed a little later.
pub(super) fn is_transient(error: &Error) -> bool {
    match error {
        Error::Network { .. } => true,
        Error::Http { status, .. } => matches!(status, 408 | 429 | 500 | 502 | 503 | 504),
        _ => false,
    }
}

/// Milliseconds to wait after failure number `n_failed`, counted from 1.
pub(super) fn delay_ms(n_failed: u32, retry_after: Option<&str>) -> u32 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let asked = retry_after.and_then(|text| retry_after_s(text.trim(), now.as_secs()));
    // Many clients that lost the same server must not return at the same moment. The clock's last digits are
    // random enough.
    let random = u64::from(now.subsec_micros() % 1000);
    delay(n_failed, asked, random)
}

/// `random`, from 0 to 999, decides on half of the delay.
fn delay(n_failed: u32, asked_s: Option<u64>, random: u64) -> u32 {
    let ms = match asked_s {
        Some(seconds) => (seconds.min(MAX_RETRY_AFTER_S) * 1000).max(FIRST_DELAY_MS),
        None => {
            let full = (FIRST_DELAY_MS << n_failed.saturating_sub(1).min(16)).min(MAX_DELAY_MS);
            full / 2 + full * random / 2000
        }
    };
    ms as u32
}

/// `Retry-After` in seconds from now: a number, or a date.
fn retry_after_s(text: &str, now: u64) -> Option<u64> {
    text.parse().ok().or_else(|| Some(http_date(text)?.saturating_sub(now)))
}

/// Seconds since 1970 of a date such as `Wed, 21 Oct 2015 07:28:00 GMT`, the only form that servers still
/// send.
fn http_date(text: &str) -> Option<u64> {
    const MONTHS: [&str; 12] =
        ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let mut words = text.split_once(", ")?.1.split(' ');
    let day: u64 = words.next()?.parse().ok().filter(|day| (1..=31).contains(day))?;
    let month = words.next()?;
    let month = MONTHS.iter().position(|name| *name == month)? as u64 + 1;
    let year: u64 = words.next()?.parse().ok().filter(|year| (1970..10_000).contains(year))?;
    let mut time = words.next()?.split(':').map(|part| part.parse::<u64>().ok().filter(|n| *n <= 60));
    let (hours, minutes, seconds) = (time.next()??, time.next()??, time.next()??);
    // Howard Hinnant's algorithm: years begin in March, so that a leap day comes last.
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let days = 365 * year + year / 4 - year / 100 + year / 400 + (153 * month + 2) / 5 + day - 1;
    Some(days.checked_sub(719_468)? * 86_400 + hours * 3600 + minutes * 60 + seconds)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_double_up_to_a_cap_and_half_is_chance() {
        let range = |n| (delay(n, None, 0), delay(n, None, 999));
        assert_eq!(range(1).0, 250);
        assert!((495..500).contains(&range(1).1), "{:?}", range(1));
        assert_eq!(range(3).0, 1000);
        assert!(range(40).0 == 15_000 && range(40).1 < 30_000);
    }

    #[test]
    fn servers_say_when_to_come_back() {
        assert_eq!(delay(3, Some(7), 500), 7000);
        assert_eq!(delay(1, Some(0), 0), 500, "not at once");
        assert_eq!(delay(1, Some(u64::MAX), 0), 120_000, "nor next year");
        let date = "Wed, 21 Oct 2015 07:28:00 GMT";
        assert_eq!(http_date(date), Some(1_445_412_480));
        assert_eq!(retry_after_s(date, 1_445_412_470), Some(10));
        assert_eq!(retry_after_s(date, 1_445_412_490), Some(0), "in the past");
        assert_eq!(http_date("Thu, 29 Feb 2024 00:00:00 GMT"), Some(1_709_164_800));
        for wrong in
            ["", "soon", "-1", "Wed, 99 Oct 2015 07:28:00 GMT", "Wed, 21 Oct 2015", "x, 1 Jan 1 1:1:1"]
        {
            assert_eq!(retry_after_s(wrong, 0), None, "{wrong}");
        }
    }

    #[test]
    fn what_is_tried_again() {
        let http = |status| is_transient(&Error::Http { url: String::new(), status });
        assert!([408, 429, 500, 502, 503, 504].into_iter().all(http));
        assert!(![400, 401, 403, 404, 410, 416, 501].into_iter().any(http));
        assert!(!is_transient(&Error::Aborted));
    }
}
