//! Values as people write them: `15m`, `50%`, `host:port,host:port`.

use std::{net::IpAddr, time::Duration};

use ipnet::IpNet;

use super::{Algorithm, LogFormat};

/// A duration: a number with `ms`, `s`, `m`, `h` or `d`; a bare number counts in `unit`.
pub(super) fn duration(text: &str, unit: Duration) -> Result<Duration, String> {
    let split = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, suffix) = text.split_at(split);
    let number: u64 = number
        .parse()
        .map_err(|_| format!("`{text}` is not a duration such as 15m, 30s or 500ms"))?;
    let millis = match suffix.trim() {
        "" => u64::try_from(unit.as_millis()).ok(),
        "ms" => Some(1),
        "s" => Some(1000),
        "m" => Some(60_000),
        "h" => Some(3_600_000),
        "d" => Some(86_400_000),
        _ => return Err(format!("`{suffix}` is not a unit of time; ms, s, m, h and d are")),
    };
    millis
        .and_then(|m| m.checked_mul(number))
        .map(Duration::from_millis)
        .ok_or_else(|| format!("`{text}` is too long"))
}

/// A duration between two bounds.
pub(super) fn duration_in(text: &str, unit: Duration, min: Duration, max: Duration) -> Result<Duration, String> {
    let value = duration(text, unit)?;
    if value < min || value > max {
        return Err(format!("must be from {} to {}", show_duration(min), show_duration(max)));
    }
    Ok(value)
}

/// A duration in the largest unit that holds it exactly.
pub(super) fn show_duration(d: Duration) -> String {
    let ms = d.as_millis();
    for (unit, suffix) in [(86_400_000, "d"), (3_600_000, "h"), (60_000, "m"), (1000, "s")] {
        if ms >= unit && ms.is_multiple_of(unit) {
            return format!("{}{suffix}", ms / unit);
        }
    }
    format!("{ms}ms")
}

/// A number between two bounds.
pub(super) fn number<T>(text: &str, min: T, max: T) -> Result<T, String>
where
    T: std::str::FromStr + PartialOrd + std::fmt::Display,
{
    text.parse::<T>()
        .ok()
        .filter(|n| *n >= min && *n <= max)
        .ok_or_else(|| format!("must be a number from {min} to {max}"))
}

/// `true` or `false`, and what people write for them.
pub(super) fn flag(text: &str) -> Result<bool, String> {
    match text.to_ascii_lowercase().as_str() {
        "true" | "1" | "yes" | "on" => Ok(true),
        "false" | "0" | "no" | "off" => Ok(false),
        _ => Err("must be true or false".to_owned()),
    }
}

/// A size in bytes: a number, or one with `K` or `M` (1024-based).
pub(super) fn bytes(text: &str, min: usize, max: usize) -> Result<usize, String> {
    let lower = text.to_ascii_lowercase();
    let lower = lower.trim_end_matches("ib").trim_end_matches('b');
    let (digits, factor) = match (lower.strip_suffix('k'), lower.strip_suffix('m')) {
        (Some(d), _) => (d, 1 << 10),
        (_, Some(d)) => (d, 1 << 20),
        _ => (lower, 1),
    };
    digits
        .trim()
        .parse::<usize>()
        .ok()
        .and_then(|n| n.checked_mul(factor))
        .filter(|n| *n >= min && *n <= max)
        .ok_or_else(|| format!("must be a size from {min} to {max} bytes, such as 64K"))
}

/// Endpoints, comma-separated.
pub(super) fn endpoints(text: &str) -> Result<Vec<String>, String> {
    let list = list(text);
    if list.is_empty() {
        return Err("must name at least one host:port".to_owned());
    }
    for e in &list {
        let port = e
            .rsplit_once(':')
            .filter(|(h, _)| !h.is_empty())
            .and_then(|(_, p)| p.parse::<u16>().ok());
        if port.is_none_or(|p| p == 0) {
            return Err(format!("`{e}` is not host:port"));
        }
    }
    Ok(list)
}

/// Networks (`10.0.0.0/8`) or single addresses, comma-separated.
pub(super) fn networks(text: &str) -> Result<Vec<IpNet>, String> {
    let network = |item: &String| {
        let address = || item.parse::<IpAddr>().map(IpNet::from);
        item.parse::<IpNet>()
            .or_else(|_| address())
            .map_err(|_| format!("`{item}` is no network such as 10.0.0.0/8"))
    };
    list(text).iter().map(network).collect()
}

/// Items, comma-separated.
pub(super) fn list(text: &str) -> Vec<String> {
    text.split(',')
        .map(str::trim)
        .filter(|s| !s.is_empty())
        .map(str::to_owned)
        .collect()
}

/// An `http` or `https` address without path, query and credentials.
pub(super) fn origin(text: &str) -> Result<String, String> {
    let bad = || format!("`{text}` is not an address such as https://api.example.com");
    let text = text.trim_end_matches('/');
    let uri: http::Uri = text.parse().map_err(|_| bad())?;
    let scheme = uri
        .scheme_str()
        .filter(|s| matches!(*s, "http" | "https"))
        .ok_or_else(bad)?;
    let authority = uri.authority().filter(|a| !a.as_str().contains('@')).ok_or_else(bad)?;
    if format!("{scheme}://{authority}") == text {
        Ok(text.to_owned())
    } else {
        Err(bad())
    }
}

pub(super) fn algorithm(text: &str) -> Result<Algorithm, String> {
    match text {
        "ES256" => Ok(Algorithm::Es256),
        "EdDSA" | "Ed25519" => Ok(Algorithm::EdDsa),
        "RS256" => Ok(Algorithm::Rs256),
        "HS256" => Ok(Algorithm::Hs256),
        _ => Err("must be ES256, EdDSA, RS256 or HS256".to_owned()),
    }
}

pub(super) fn show_algorithm(a: Algorithm) -> &'static str {
    match a {
        Algorithm::Es256 => "ES256",
        Algorithm::EdDsa => "EdDSA",
        Algorithm::Rs256 => "RS256",
        Algorithm::Hs256 => "HS256",
    }
}

pub(super) fn log_format(text: &str) -> Result<LogFormat, String> {
    match text {
        "auto" => Ok(LogFormat::Auto),
        "json" => Ok(LogFormat::Json),
        "text" => Ok(LogFormat::Text),
        _ => Err("must be auto, json or text".to_owned()),
    }
}

pub(super) fn show_log_format(f: LogFormat) -> &'static str {
    match f {
        LogFormat::Auto => "auto",
        LogFormat::Json => "json",
        LogFormat::Text => "text",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn durations_take_units_and_refuse_nonsense() {
        assert_eq!(duration("15m", SECOND), Ok(Duration::from_secs(900)));
        assert_eq!(duration("7d", SECOND), Ok(Duration::from_secs(604_800)));
        assert_eq!(duration("5000", Duration::from_millis(1)), Ok(Duration::from_secs(5)));
        for bad in [
            "",
            "m",
            "-1s",
            "1w",
            "1.5h",
            "99999999999999999999d",
            "18446744073709551615d",
        ] {
            assert!(duration(bad, SECOND).is_err(), "{bad}");
        }
    }

    #[test]
    fn durations_show_what_they_parse() {
        for text in ["15m", "7d", "30s", "250ms", "36h"] {
            assert_eq!(duration(text, SECOND).map(show_duration), Ok(text.to_owned()));
        }
    }

    #[test]
    fn origins_have_neither_path_nor_credentials() {
        assert_eq!(
            origin("https://a.example:8443/"),
            Ok("https://a.example:8443".to_owned())
        );
        for bad in [
            "a.example",
            "ftp://a",
            "https://u:p@a",
            "https://a/b",
            "https://a?x",
            "/x",
        ] {
            assert!(origin(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn sizes_and_endpoints() {
        assert_eq!(bytes("4M", 1, 1 << 30), Ok(4 << 20));
        assert_eq!(bytes("16KiB", 1, 1 << 30), Ok(16 << 10));
        assert!(bytes("4G", 1, 1 << 30).is_err());
        assert!(endpoints("auth:8081, [::1]:8082").is_ok());
        assert!(endpoints("auth").is_err());
        assert!(endpoints("auth:0").is_err());
        assert_eq!(networks("10.0.0.0/8, ::1, 192.0.2.7").map(|n| n.len()), Ok(3));
        assert!(networks("10.0.0.0/33").is_err() && networks("proxy").is_err());
    }
}
