//! The PROXY protocol, versions 1 and 2 (HAProxy's `proxy-protocol.txt`): who is behind a balancer that speaks TCP.
//!
//! Required from the networks that the settings name, and read from nobody else: there it is no HTTP and is refused as such. What
//! follows the addresses (TLVs) is passed over.

use std::{
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    time::Duration,
};

use tokio::io::{AsyncRead, AsyncReadExt};

/// Longest wait for the whole header, which a balancer sends at once.
const PATIENCE: Duration = Duration::from_secs(5);
/// First bytes of version 2, and as many of version 1, whose shortest header is longer.
const SIGNATURE: [u8; 12] = *b"\r\n\r\n\0\r\nQUIT\n";
/// Longest header of version 1, its line's end included.
const LONGEST_1: usize = 107;
/// Longest rest of version 2 that is read: addresses, and what balancers add about a connection.
const LONGEST_2: usize = 4096;

/// Reads a header, and nothing beyond. The address is `None` where the balancer speaks for itself or names none.
pub(super) async fn header(io: &mut (impl AsyncRead + Unpin)) -> io::Result<Option<SocketAddr>> {
    let read = async {
        let mut first = [0; 12];
        io.read_exact(&mut first).await?;
        match first == SIGNATURE {
            true => version2(io).await,
            false => version1(&first, io).await,
        }
    };
    tokio::time::timeout(PATIENCE, read)
        .await
        .unwrap_or_else(|_| Err(bad("the header did not come in time")))
}

async fn version1(first: &[u8; 12], io: &mut (impl AsyncRead + Unpin)) -> io::Result<Option<SocketAddr>> {
    let mut line = first.to_vec();
    // Byte by byte, since what follows the line is not ours to read; once for each connection.
    while !line.ends_with(b"\r\n") {
        if line.len() == LONGEST_1 {
            return Err(bad("the header has no end"));
        }
        line.push(io.read_u8().await?);
    }
    let line = str::from_utf8(&line[..line.len() - 2]).map_err(|_| bad("the header is no text"))?;
    let fields: Vec<_> = line.split(' ').collect();
    match fields[..] {
        ["PROXY", "UNKNOWN", ..] => Ok(None),
        ["PROXY", "TCP4", source, destination, from, to] => {
            endpoints::<Ipv4Addr>(source, destination, from, to).map(Some)
        }
        ["PROXY", "TCP6", source, destination, from, to] => {
            endpoints::<Ipv6Addr>(source, destination, from, to).map(Some)
        }
        _ => Err(bad("this is no header")),
    }
}

fn endpoints<A>(source: &str, destination: &str, from: &str, to: &str) -> io::Result<SocketAddr>
where
    A: std::str::FromStr + Into<IpAddr>,
{
    let parsed = (
        source.parse::<A>(),
        destination.parse::<A>(),
        from.parse::<u16>(),
        to.parse::<u16>(),
    );
    match parsed {
        (Ok(source), Ok(_), Ok(from), Ok(_)) => Ok(SocketAddr::new(source.into(), from)),
        _ => Err(bad("the header's addresses are none")),
    }
}

async fn version2(io: &mut (impl AsyncRead + Unpin)) -> io::Result<Option<SocketAddr>> {
    let (command, family, length) = (io.read_u8().await?, io.read_u8().await?, io.read_u16().await?);
    let length = usize::from(length);
    if length > LONGEST_2 {
        return Err(bad("the header is too long"));
    }
    let mut rest = vec![0; length];
    io.read_exact(&mut rest).await?;
    match (command, family) {
        // LOCAL: the balancer's own checks.
        (0x20, _) => Ok(None),
        (0x21, 0x11) => {
            let [a, b, c, d, _, _, _, _, high, low, ..] = rest[..] else {
                return Err(bad("the header's addresses are cut"));
            };
            let port = u16::from_be_bytes([high, low]);
            Ok(Some((Ipv4Addr::new(a, b, c, d), port).into()))
        }
        (0x21, 0x21) => {
            let source: [u8; 16] = rest.get(..16).and_then(|s| s.try_into().ok()).ok_or_else(cut)?;
            let port = rest.get(32..34).and_then(|s| s.try_into().ok()).ok_or_else(cut)?;
            Ok(Some((Ipv6Addr::from(source), u16::from_be_bytes(port)).into()))
        }
        // Unspecified, or a socket of the balancer's own machine.
        (0x21, 0x00 | 0x31 | 0x32) => Ok(None),
        _ => Err(bad("the header is of an unknown kind")),
    }
}

fn cut() -> io::Error {
    bad("the header's addresses are cut")
}

fn bad(why: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, why)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a header says, and what is left to read after it.
    async fn read(bytes: &[u8]) -> io::Result<(Option<String>, Vec<u8>)> {
        let mut io = bytes;
        let address = header(&mut io).await?;
        Ok((address.map(|a| a.to_string()), io.to_vec()))
    }

    fn v2(command: u8, family: u8, rest: &[u8]) -> Vec<u8> {
        let length = u16::try_from(rest.len()).unwrap().to_be_bytes();
        [&SIGNATURE[..], &[command, family], &length, rest, b"GET /"].concat()
    }

    #[tokio::test]
    async fn the_address_is_read_and_nothing_beyond() {
        let four = [192, 0, 2, 7, 198, 51, 100, 1, 0x12, 0x67, 0, 80];
        let with_tlv = [&four[..], &[4, 0, 2, 1, 2]].concat();
        let mut six = [0; 36];
        six[..4].copy_from_slice(&[0x20, 1, 0xd, 0xb8]);
        six[15] = 7;
        six[32..34].copy_from_slice(&[0x12, 0x67]);
        for (bytes, address) in [
            (
                b"PROXY TCP4 192.0.2.7 198.51.100.1 4711 80\r\nGET /".to_vec(),
                Some("192.0.2.7:4711"),
            ),
            (
                b"PROXY TCP6 2001:db8::7 2001:db8::1 4711 80\r\nGET /".to_vec(),
                Some("[2001:db8::7]:4711"),
            ),
            (b"PROXY UNKNOWN\r\nGET /".to_vec(), None),
            (b"PROXY UNKNOWN ffff::1 ffff::2 1 2\r\nGET /".to_vec(), None),
            (v2(0x21, 0x11, &four), Some("192.0.2.7:4711")),
            (v2(0x21, 0x11, &with_tlv), Some("192.0.2.7:4711")),
            (v2(0x21, 0x21, &six), Some("[2001:db8::7]:4711")),
            (v2(0x20, 0x00, &[]), None),
            (v2(0x20, 0x11, &four), None),
            (v2(0x21, 0x00, &[9; 40]), None),
            (v2(0x21, 0x31, &[9; 216]), None),
        ] {
            let (told, left) = read(&bytes).await.unwrap();
            assert_eq!(told.as_deref(), address, "{}", String::from_utf8_lossy(&bytes));
            assert_eq!(left, b"GET /");
        }
    }

    #[tokio::test]
    async fn what_is_no_header_is_refused() {
        for bytes in [
            b"GET / HTTP/1.1\r\nhost: x\r\n\r\n".to_vec(),
            b"PROXY TCP4 192.0.2.7 198.51.100.1 4711\r\n".to_vec(),
            b"PROXY TCP4 192.0.2.7 198.51.100.1 4711 80 9\r\n".to_vec(),
            b"PROXY TCP4 2001:db8::7 2001:db8::1 4711 80\r\n".to_vec(),
            b"PROXY TCP4 192.0.2.7 198.51.100.1 471100 80\r\n".to_vec(),
            b"PROXY TCP4 192.0.2.7  198.51.100.1 4711 80\r\n".to_vec(),
            b"proxy TCP4 192.0.2.7 198.51.100.1 4711 80\r\n".to_vec(),
            b"PROXY TCP4 192.0.2.7 198.51.100.1 4711 80\n".to_vec(),
            [&b"PROXY UNKNOWN "[..], &[b'x'; 200]].concat(),
            v2(0x21, 0x11, &[192, 0, 2, 7]),
            v2(0x21, 0x21, &[0; 33]),
            v2(0x11, 0x11, &[0; 12]),
            v2(0x22, 0x11, &[0; 12]),
            v2(0x21, 0x12, &[0; 12]),
            v2(0x21, 0x11, &[0; 5000]),
            b"PROXY".to_vec(),
        ] {
            assert!(read(&bytes).await.is_err(), "{}", String::from_utf8_lossy(&bytes));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_header_that_does_not_come_is_not_waited_for() {
        let (mut io, _peer) = tokio::io::duplex(64);
        let error = header(&mut io).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidData);
    }
}
