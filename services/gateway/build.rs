//! Unpacks what the docs page needs of Swagger UI into OUT_DIR.
//!
//! A zip entry and a gzip file hold the same deflated bytes and the same checksum, so an entry becomes a `.gz` by a new
//! header around it: nothing is inflated here, and the page is served compressed as it is.

use std::{env, error::Error, fs, path::PathBuf};

use utoipa_swagger_ui_vendored::SWAGGER_UI_VENDORED as ZIP;

/// What the page loads. Everything else in the archive stays out of the program.
const FILES: &[&str] = &["swagger-ui-bundle.js", "swagger-ui.css"];

/// Signatures of the records (APPNOTE 4.3).
const END: &[u8] = b"PK\x05\x06";
const ENTRY: &[u8] = b"PK\x01\x02";
const DEFLATED: u16 = 8;

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo:rerun-if-changed=build.rs");
    let out = PathBuf::from(env::var("OUT_DIR")?);
    for name in FILES {
        let packed = gzipped(name).ok_or_else(|| format!("the archive of Swagger UI has no {name}"))?;
        fs::write(out.join(format!("{name}.gz")), packed)?;
    }
    Ok(())
}

/// The entry `<anything>/dist/<name>` of the archive's root folder, as a gzip file.
fn gzipped(name: &str) -> Option<Vec<u8>> {
    let end = ZIP.windows(END.len()).rposition(|w| w == END)?;
    let mut at = u32_at(end + 16)?;
    while ZIP.get(at..)?.starts_with(ENTRY) {
        let (name_len, extra, comment) = (u16_at(at + 28)?, u16_at(at + 30)?, u16_at(at + 32)?);
        let path = ZIP.get(at + 46..at + 46 + name_len)?;
        let path = std::str::from_utf8(path).ok()?;
        let below_root = path.split_once('/').and_then(|(_, p)| p.strip_prefix("dist/"));
        if below_root == Some(name) && u16_at(at + 10)? == usize::from(DEFLATED) {
            return gzip(at);
        }
        at += 46 + name_len + extra + comment;
    }
    None
}

/// Wraps the deflated bytes of the entry at `at` of the central directory (RFC 1952).
fn gzip(at: usize) -> Option<Vec<u8>> {
    let (checksum, length) = (ZIP.get(at + 16..at + 20)?, ZIP.get(at + 24..at + 28)?);
    let packed = u32_at(at + 20)?;
    let local = u32_at(at + 42)?;
    let data = local + 30 + u16_at(local + 26)? + u16_at(local + 28)?;
    let header = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 2, 255];
    Some([&header, ZIP.get(data..data + packed)?, checksum, length].concat())
}

fn u16_at(at: usize) -> Option<usize> {
    let bytes = ZIP.get(at..at + 2)?;
    Some(usize::from(u16::from_le_bytes(bytes.try_into().ok()?)))
}

fn u32_at(at: usize) -> Option<usize> {
    let bytes = ZIP.get(at..at + 4)?;
    usize::try_from(u32::from_le_bytes(bytes.try_into().ok()?)).ok()
}
