//! `grpc-timeout` (gRPC over HTTP/2, "Timeout").

use std::time::Duration;

use http::HeaderValue;

/// Header name.
pub const GRPC_TIMEOUT: &str = "grpc-timeout";

/// Reads a value such as `100m`; `None` when it is not one.
#[must_use]
pub fn parse(value: &HeaderValue) -> Option<Duration> {
    let text = value.to_str().ok()?;
    let (digits, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    if digits.is_empty() || digits.len() > 8 || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let n: u64 = digits.parse().ok()?;
    Some(match unit {
        "H" => Duration::from_secs(n * 3600),
        "M" => Duration::from_secs(n * 60),
        "S" => Duration::from_secs(n),
        "m" => Duration::from_millis(n),
        "u" => Duration::from_micros(n),
        "n" => Duration::from_nanos(n),
        _ => return None,
    })
}

/// Writes a duration in the finest unit that takes at most eight digits.
#[must_use]
pub fn encode(timeout: Duration) -> HeaderValue {
    let units = [
        (timeout.as_micros(), 'u'),
        (timeout.as_millis(), 'm'),
        (u128::from(timeout.as_secs()), 'S'),
    ];
    let fits = units.into_iter().find(|(n, _)| *n < 100_000_000);
    let (n, unit) = fits.unwrap_or((99_999_999, 'S'));
    HeaderValue::try_from(format!("{n}{unit}")).expect("digits and a letter")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_timeout_is_read_back() {
        for timeout in [
            Duration::ZERO,
            Duration::from_micros(1500),
            Duration::from_secs(90),
            Duration::from_secs(200_000),
        ] {
            assert_eq!(parse(&encode(timeout)), Some(timeout), "{timeout:?}");
        }
    }

    #[test]
    fn what_is_no_timeout_is_none() {
        for bad in ["", "m", "1", "1x", "123456789m", "-1m", "+1m", "1.5S"] {
            assert_eq!(parse(&HeaderValue::from_static(bad)), None, "{bad}");
        }
    }
}
