//! Any bytes that an upstream answers become JSON or an error of its own; what is JSON means the same
//! where it is taken back.
#![no_main]

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use logicore_fuzz::{comes_back_or_not, route, shown};

fuzz_target!(|data: &[u8]| {
    // As it came, with whatever prefix.
    let stream = route("GET", "/watch").expect("the schema has it");
    let (status, _) = shown(&stream, Bytes::copy_from_slice(data));
    assert_eq!(status, 200, "the head of a stream is sent before its frames are read");
    // As one message.
    let mut framed = vec![0];
    framed.extend(u32::try_from(data.len()).unwrap_or_default().to_be_bytes());
    framed.extend_from_slice(data);
    comes_back_or_not(&framed.into());
});
