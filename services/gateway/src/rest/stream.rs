//! The messages of a stream, each written and sent as it comes.
//!
//! The head goes out at once, so that a failure in the middle of the stream is told at its end, in the stream's own form. In
//! lines and in a list, every item is an object that holds `result` or `error`: which of the two never depends on the fields
//! of a message.

use std::convert::Infallible;

use bytes::Bytes;
use http_body::Frame;
use http_body_util::StreamBody;
use tonic::{Status, body::Body};

use super::{
    Match,
    accept::Form,
    encode::{log, render},
    error::error_json,
    frames::Frames,
};

/// The body of a stream's answer.
pub(super) fn body(route: Match, frames: Frames) -> Body {
    let writer = Writer {
        form: route.form,
        route,
        frames,
        first: true,
    };
    let chunks = futures_util::stream::unfold(Some(writer), |open| async move {
        let mut writer = open?;
        let mut chunk = Vec::with_capacity(256);
        let more = writer.next(&mut chunk).await;
        if chunk.is_empty() {
            return None;
        }
        let data = Ok::<_, Infallible>(Frame::data(Bytes::from(chunk)));
        Some((data, more.then_some(writer)))
    });
    Body::new(StreamBody::new(chunks))
}

#[derive(Debug)]
struct Writer {
    route: Match,
    form: Form,
    frames: Frames,
    first: bool,
}

impl Writer {
    /// Writes what comes next, and tells whether more may follow.
    async fn next(&mut self, chunk: &mut Vec<u8>) -> bool {
        let item = self.frames.next().await;
        let first = std::mem::take(&mut self.first);
        match item {
            None => {
                chunk.extend_from_slice(end(self.form, first));
                false
            }
            Some(item) => {
                chunk.extend_from_slice(before(self.form, first));
                match item.and_then(|message| render(&self.route, message, chunk)) {
                    Ok(()) => {
                        chunk.extend_from_slice(after(self.form));
                        true
                    }
                    Err(status) => {
                        self.fail(status, first, chunk);
                        false
                    }
                }
            }
        }
    }

    fn fail(&self, status: Status, first: bool, chunk: &mut Vec<u8>) {
        // What the caller got wrong in the midst of it ended the call; what the call says of that tells less.
        let status = self.route.wrong.get().cloned().unwrap_or(status);
        log(&self.route, &status);
        chunk.clear();
        let error = error_json(&status);
        let text = match self.form {
            Form::Lines => format!("{{\"error\":{error}}}\n"),
            Form::Events => format!("event: error\ndata: {error}\n\n"),
            Form::List if first => format!("[{{\"error\":{error}}}]\n"),
            Form::List => format!(",\n{{\"error\":{error}}}]\n"),
        };
        chunk.extend_from_slice(text.as_bytes());
    }
}

/// What stands before a message.
fn before(form: Form, first: bool) -> &'static [u8] {
    match form {
        Form::Lines => b"{\"result\":",
        Form::Events => b"data: ",
        Form::List if first => b"[{\"result\":",
        Form::List => b",\n{\"result\":",
    }
}

/// What stands behind a message.
fn after(form: Form) -> &'static [u8] {
    match form {
        Form::Lines => b"}\n",
        Form::Events => b"\n\n",
        Form::List => b"}",
    }
}

/// The end of a stream that went well. A browser connects anew when events just cease, so their end is told by one.
fn end(form: Form, first: bool) -> &'static [u8] {
    match form {
        Form::Lines => b"",
        Form::Events => b"event: end\ndata: {}\n\n",
        Form::List if first => b"[]\n",
        Form::List => b"]\n",
    }
}
