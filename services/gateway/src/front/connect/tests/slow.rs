//! Long messages of streams: of how many callers they are held at once.

use logicore::framing::COMPRESSED;

use super::*;
use crate::bodies::tests::{Attack, slow};

/// Places for the longest messages.
const PLACES: usize = 16;

fn request(content_type: &str, encoding: &'static str, body: Body) -> Request<Body> {
    let pool = DescriptorPool::decode(PUBLIC_DESCRIPTORS).unwrap();
    let table = Table::new(&testkit::context(Role::Gateway), &pool).unwrap();
    let mut request = post(REFLECT, content_type)
        .header("connect-content-encoding", encoding)
        .body(body)
        .unwrap();
    assert!(Connect::begin(&mut request, &table).is_ok_and(|call| call.call.is_some()));
    request
}

#[tokio::test(start_paused = true)]
async fn long_messages_of_streams_are_collected_of_few_at_once_and_not_for_ever() {
    for (content_type, encoding) in [
        ("application/connect+json", "identity"),
        ("application/connect+proto", "gzip"),
    ] {
        let mut attack = Attack::new();
        // The longest that counts as 4 MiB together with what stands before it.
        let message = enveloped(0, &vec![b' '; (4 << 20) - 5]);
        for _ in 0..2 * PLACES {
            let pieces = vec![message.slice(..70_000), message.slice(70_000..90_000)];
            let body = slow(pieces, &attack.read);
            attack.begin(request(content_type, encoding, body), false);
        }
        assert_eq!(attack.settled().await, 2 * PLACES + PLACES, "{content_type}");
        let short = match encoding {
            "gzip" => enveloped(COMPRESSED, &Encoding::Gzip.compress(&get_user("a")).unwrap()),
            _ => enveloped(0, b"{}"),
        };
        let short = request(content_type, encoding, Body::new(Full::from(short)));
        attack.passes(short, false).await;
        let ended = attack.ended().await;
        assert_eq!(ended, [Some(Reason::DeadlineExceeded); 2 * PLACES], "{content_type}");
    }
}
