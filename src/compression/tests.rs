use proptest::prelude::*;

use super::*;

const LIMIT: usize = 100_000;

fn counted(encoding: Encoding, data: &[u8], cut: usize, limit: usize) -> Result<(), Error> {
    let mut counter = Counter::new(encoding, limit).unwrap();
    for piece in data.chunks(cut) {
        counter.feed(piece)?;
    }
    counter.end()
}

proptest! {
    #[test]
    fn what_was_compressed_comes_back_and_is_counted(
        data in prop::collection::vec(0_u8..4, 0..5000),
        cut in 1_usize..700,
    ) {
        for encoding in Encoding::ALL {
            let small = encoding.compress(&data).unwrap();
            prop_assert_eq!(&encoding.decompress(&small, data.len()).unwrap()[..], &data[..]);
            prop_assert!(counted(encoding, &small, cut, data.len()).is_ok());
        }
    }

    #[test]
    fn garbage_is_refused_and_breaks_nothing(data in prop::collection::vec(any::<u8>(), 1..300)) {
        for encoding in Encoding::ALL {
            let _ = encoding.decompress(&data, LIMIT);
            let _ = counted(encoding, &data, 7, LIMIT);
        }
    }
}

#[test]
fn a_bomb_ends_at_the_limit_however_it_is_cut() {
    let bomb = vec![0; 50 << 20];
    for encoding in Encoding::ALL {
        let small = encoding.compress(&bomb).unwrap();
        assert!(small.len() < 600 << 10, "{encoding:?}: {}", small.len());
        let error = encoding.decompress(&small, LIMIT).unwrap_err();
        assert_eq!(error.reason(), Reason::MessageTooLarge, "{encoding:?}");
        for cut in [1, 100, small.len()] {
            let error = counted(encoding, &small, cut, LIMIT).unwrap_err();
            assert_eq!(
                error.reason(),
                Reason::MessageTooLarge,
                "{encoding:?} in pieces of {cut}"
            );
        }
    }
}

#[test]
fn a_message_as_long_as_the_limit_is_taken() {
    let data = vec![7; LIMIT];
    for encoding in Encoding::ALL {
        let small = encoding.compress(&data).unwrap();
        assert_eq!(encoding.decompress(&small, LIMIT).unwrap().len(), LIMIT, "{encoding:?}");
        assert!(counted(encoding, &small, 50, LIMIT).is_ok(), "{encoding:?}");
        for limit in [0, 1, LIMIT - 1] {
            let error = encoding.decompress(&small, limit).unwrap_err();
            assert_eq!(error.reason(), Reason::MessageTooLarge, "{encoding:?} {limit}");
            let error = counted(encoding, &small, 50, limit).unwrap_err();
            assert_eq!(error.reason(), Reason::MessageTooLarge, "{encoding:?} {limit}");
        }
    }
}

#[test]
fn what_is_cut_or_goes_on_is_refused() {
    let data: Vec<u8> = (0..2000_u32).flat_map(u32::to_be_bytes).collect();
    for encoding in Encoding::ALL {
        let small = encoding.compress(&data).unwrap();
        let longer = [&small[..], b"x"].concat();
        let twice = [&small[..], &small].concat();
        for (what, bad) in [
            ("empty", &[][..]),
            ("cut", &small[..small.len() - 1]),
            ("longer", &longer),
            ("twice", &twice),
        ] {
            let error = encoding.decompress(bad, LIMIT).unwrap_err();
            assert_eq!(error.reason(), Reason::MalformedMessage, "{encoding:?} {what}");
        }
    }
}

#[test]
fn encodings_are_known_by_their_names() {
    let named = |name: &'static str| Encoding::named(Some(&HeaderValue::from_static(name)));
    for encoding in Encoding::ALL {
        assert_eq!(named(encoding.as_str()).unwrap(), Some(encoding));
        assert!(
            ACCEPTED
                .to_str()
                .unwrap()
                .split(',')
                .any(|name| name == encoding.as_str())
        );
    }
    assert_eq!(named("GZip").unwrap(), Some(Encoding::Gzip));
    assert_eq!(named("identity").unwrap(), None);
    assert_eq!(Encoding::named(None).unwrap(), None);
    for bad in ["snappy", "", "gzip, br", "x-gzip"] {
        assert_eq!(named(bad).unwrap_err().reason(), Reason::EncodingUnknown, "{bad:?}");
    }
}

#[test]
fn a_call_names_one_encoding() {
    let of = |names: &[&'static str]| {
        let mut headers = HeaderMap::new();
        for name in names {
            headers.append(GRPC_ENCODING, HeaderValue::from_static(name));
        }
        Encoding::of_call(&headers).map_err(|error| error.reason())
    };
    assert_eq!(of(&[]), Ok(None));
    assert_eq!(of(&["gzip"]), Ok(Some(Encoding::Gzip)));
    for several in [["br", "gzip"], ["identity", "gzip"], ["gzip", "gzip"]] {
        assert_eq!(of(&several), Err(crate::error::Reason::EncodingUnknown), "{several:?}");
    }
}
