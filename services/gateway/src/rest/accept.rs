//! Which form a stream is answered in: what `Accept` likes best (RFC 9110, 12.5.1), NDJSON where it does not say.

use http::{HeaderMap, header};

/// How the messages of a stream are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Form {
    /// One JSON object a line.
    #[default]
    Lines,
    /// Server-sent events (the HTML standard).
    Events,
    /// One JSON list.
    List,
}

impl Form {
    /// Every form with its media type, the default first.
    pub(crate) const ALL: [(Self, &str); 3] = [
        (Self::Lines, "application/x-ndjson"),
        (Self::Events, "text/event-stream"),
        (Self::List, "application/json"),
    ];

    /// The form that a caller asks for. One who accepts none of them gets the default: a stream that is there is better
    /// than none.
    pub(crate) fn of(headers: &HeaderMap) -> Self {
        let mut best = (0, Self::default());
        for value in headers.get_all(header::ACCEPT) {
            for range in value.to_str().unwrap_or_default().split(',') {
                let (media, weight) = parse(range);
                let Some(form) = form(media) else { continue };
                if weight > best.0 {
                    best = (weight, form);
                }
            }
        }
        best.1
    }

    /// The media type.
    pub(crate) fn media_type(self) -> &'static str {
        let found = Self::ALL.iter().find(|(form, _)| *form == self);
        found.map_or("application/x-ndjson", |(_, media)| media)
    }
}

/// A range of media types and its weight in thousandths.
fn parse(range: &str) -> (&str, u32) {
    let mut parts = range.split(';').map(str::trim);
    let media = parts.next().unwrap_or_default();
    let weight = parts.find_map(|p| p.strip_prefix("q=").or_else(|| p.strip_prefix("Q=")));
    (media, weight.map_or(1000, thousandths))
}

/// Anything that is no weight is the least one.
fn thousandths(weight: &str) -> u32 {
    match weight.parse::<f32>() {
        Ok(weight) if (0.0..=1.0).contains(&weight) => (weight * 1000.0) as u32,
        _ => 0,
    }
}

fn form(media: &str) -> Option<Form> {
    let is = |name: &str| media.eq_ignore_ascii_case(name);
    match () {
        () if is("application/ndjson") || is("application/jsonl") => Some(Form::Lines),
        () if is("*/*") || is("application/*") => Some(Form::Lines),
        () if is("text/*") => Some(Form::Events),
        () => Form::ALL.iter().find(|(_, name)| is(name)).map(|(form, _)| *form),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_form_is_what_the_caller_likes_best() {
        for (accept, form) in [
            ("", Form::Lines),
            ("*/*", Form::Lines),
            ("application/json", Form::List),
            ("Application/JSON; charset=utf-8", Form::List),
            ("text/event-stream", Form::Events),
            ("text/*", Form::Events),
            ("application/*", Form::Lines),
            ("application/ndjson", Form::Lines),
            ("application/json, text/event-stream", Form::List),
            ("application/json;q=0.5, text/event-stream;q=0.6", Form::Events),
            ("application/json;q=0.5, */*;q=0.1", Form::List),
            ("text/event-stream;q=0, application/json;q=0.001", Form::List),
            ("text/event-stream;q=2, application/json;q=0.1", Form::List),
            ("text/html,application/xhtml+xml,*/*;q=0.8", Form::Lines),
            ("image/png", Form::Lines),
            (";;q=,", Form::Lines),
        ] {
            let headers = HeaderMap::from_iter([(header::ACCEPT, accept.parse().unwrap())]);
            assert_eq!(Form::of(&headers), form, "{accept}");
        }
        assert_eq!(Form::of(&HeaderMap::new()), Form::Lines);
    }

    #[test]
    fn several_headers_count_as_one() {
        let mut headers = HeaderMap::new();
        headers.append(header::ACCEPT, "text/html".parse().unwrap());
        headers.append(header::ACCEPT, "text/event-stream".parse().unwrap());
        assert_eq!(Form::of(&headers), Form::Events);
    }
}
