use http_body_util::{BodyExt, Full, StreamBody};
use logicore::{
    Reason,
    compression::Encoding,
    framing::{COMPRESSED, Prefix},
};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;

use super::*;

fn frame(flags: u8, message: &[u8]) -> Vec<u8> {
    let prefix = Prefix {
        flags,
        length: message.len(),
    };
    [&prefix.bytes()[..], message].concat()
}

fn framed(lengths: &[usize]) -> Vec<u8> {
    lengths.iter().flat_map(|n| frame(0, &vec![7; *n])).collect()
}

fn stream(limit: usize) -> Rules {
    Rules::new(limit, false, None)
}

fn one(limit: usize) -> Rules {
    Rules::new(limit, true, None)
}

/// What is told of a body that comes in pieces, whose end comes by itself; `None` where all of it passes as it came.
async fn told(rules: Rules, body: &[u8], cut: usize) -> Option<Reason> {
    let pieces: Vec<_> = body.chunks(cut).map(Bytes::copy_from_slice).collect();
    let frames = tokio_stream::iter(pieces.into_iter().map(|p| Ok::<_, Status>(Frame::data(p))));
    let (watched, wrong) = match watch(Body::new(StreamBody::new(frames)), rules) {
        Ok(watched) => watched,
        Err(error) => return Some(error.reason()),
    };
    let reader = tokio::spawn(watched.collect());
    tokio::select! {
        error = wrong => {
            assert!(!reader.is_finished(), "the call sees no error, it is dropped");
            reader.abort();
            Some(error.reason())
        }
        // A task of its own ends this one, which never ends while all is well.
        () = async { while !reader.is_finished() { tokio::task::yield_now().await } } => {
            assert_eq!(reader.await.unwrap().unwrap().to_bytes(), body);
            None
        }
    }
}

#[tokio::test]
async fn what_fits_passes_byte_for_byte_wherever_it_is_cut() {
    for (body, rules) in [
        (framed(&[10, 0, 10]), stream as fn(usize) -> Rules),
        (framed(&[]), stream),
        (framed(&[10]), one),
        (framed(&[0]), one),
    ] {
        for cut in 1..body.len() + 2 {
            assert_eq!(told(rules(10), &body, cut).await, None, "{body:?} in pieces of {cut}");
        }
    }
}

#[tokio::test]
async fn one_message_is_one_message() {
    let whole = framed(&[10]);
    for (body, reason) in [
        (framed(&[]), Reason::MessageCount),
        (framed(&[10, 10]), Reason::MessageCount),
        (framed(&[0, 0]), Reason::MessageCount),
        ([&whole[..], &[0]].concat(), Reason::MessageCount),
        (whole[..9].to_vec(), Reason::MalformedMessage),
        (whole[..3].to_vec(), Reason::MalformedMessage),
    ] {
        for cut in 1..body.len() + 2 {
            assert_eq!(
                told(one(10), &body, cut).await,
                Some(reason),
                "{body:?} in pieces of {cut}"
            );
        }
        let full = Body::new(Full::from(body.clone()));
        let error = match watch(full, one(10)) {
            Err(error) => error,
            Ok((body, wrong)) => {
                let reader = tokio::spawn(body.collect());
                let error = wrong.await;
                reader.abort();
                error
            }
        };
        assert_eq!(error.reason(), reason, "{body:?} at once");
    }
}

#[tokio::test]
async fn the_end_of_the_one_message_waits_for_the_bodys() {
    let (send, frames) = mpsc::channel(4);
    let (mut body, _wrong) = watch(Body::new(StreamBody::new(ReceiverStream::new(frames))), one(10)).unwrap();
    let bytes = framed(&[4]);
    for piece in [&bytes[..7], &bytes[7..]] {
        send.send(Ok::<_, Status>(Frame::data(Bytes::copy_from_slice(piece))))
            .await
            .unwrap();
    }
    let first = body.frame().await.unwrap().unwrap().into_data().unwrap();
    assert_eq!(first, bytes[..7], "what is not the end does not wait");
    assert!(futures_util::poll!(std::pin::pin!(body.frame())).is_pending());
    assert!(!body.is_end_stream());
    drop(send);
    let last = body.frame().await.unwrap().unwrap().into_data().unwrap();
    assert_eq!(last, bytes[7..]);
    assert!(body.is_end_stream() && body.frame().await.is_none());
}

#[tokio::test]
async fn a_message_above_the_limit_is_told_before_it_has_come() {
    let body = Body::new(Full::from(framed(&[10, 11])[..20].to_vec()));
    let (body, wrong) = watch(body, stream(10)).unwrap();
    let reader = tokio::spawn(body.collect());
    assert_eq!(wrong.await.reason(), Reason::MessageTooLarge);
    assert!(!reader.is_finished(), "the call sees no error, it is dropped");
    reader.abort();
}

#[tokio::test]
async fn compressed_messages_are_counted_and_pass_as_they_came() {
    for encoding in Encoding::ALL {
        let small = encoding.compress(&[7; 1000]).unwrap();
        let body = [frame(COMPRESSED, &small), frame(0, b"plain"), frame(COMPRESSED, &small)].concat();
        let rules = |limit| Rules::new(limit, false, Some(encoding));
        for cut in [1, 3, body.len()] {
            assert_eq!(told(rules(1000), &body, cut).await, None, "{encoding:?}");
            assert_eq!(
                told(rules(999), &body, cut).await,
                Some(Reason::MessageTooLarge),
                "{encoding:?}"
            );
        }
        let garbage = frame(COMPRESSED, b"\0\0\0\0garbage\xff");
        assert_eq!(
            told(rules(1000), &garbage, 4).await,
            Some(Reason::MalformedMessage),
            "{encoding:?}"
        );
    }
}

#[tokio::test]
async fn flags_must_be_true() {
    for (flags, reason) in [(COMPRESSED, Reason::MalformedMessage), (2, Reason::MalformedMessage)] {
        assert_eq!(told(stream(10), &frame(flags, b"x"), 10).await, Some(reason));
    }
}

#[tokio::test]
async fn a_caller_who_breaks_off_is_told_apart_from_one_who_sends_nonsense() {
    let nonsense = Error::new(Reason::MalformedMessage, "no base64").into();
    for (status, reason) in [
        (Status::unknown("reset"), Reason::CallerGone),
        (nonsense, Reason::MalformedMessage),
    ] {
        let frames = [Ok(Frame::data(Bytes::from_static(&[0]))), Err(status)];
        let (body, wrong) = watch(Body::new(StreamBody::new(tokio_stream::iter(frames))), stream(10)).unwrap();
        let reader = tokio::spawn(body.collect());
        assert_eq!(wrong.await.reason(), reason);
        reader.abort();
    }
}
