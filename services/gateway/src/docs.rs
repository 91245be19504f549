//! Pages for people: `/`, `/docs` and `/openapi.json`. All of it is in the program; nothing is loaded from elsewhere.
//!
//! Swagger UI comes from a crate at build time and stays compressed: what is served is read from the program's own image,
//! so an idle process pays no memory for it.

use std::{
    collections::hash_map::DefaultHasher,
    hash::{Hash, Hasher},
};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode, header, request::Parts};
use http_body_util::Full;
use logicore::{Error, VERSION};
use tonic::body::Body;

use crate::rest::{NoMatch, http_error, options};

const SCRIPT: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/swagger-ui-bundle.js.gz"));
const STYLE: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/swagger-ui.css.gz"));

/// What every page takes.
const ALLOW: &str = "GET, HEAD, OPTIONS";

/// The pages.
#[derive(Clone, Copy, Debug, Default)]
pub struct Pages;

/// One page.
#[derive(Clone, Debug)]
struct Page {
    bytes: Bytes,
    content_type: &'static str,
    gzip: bool,
}

impl Pages {
    /// The answer to a request for a page; `None` where the path is no page. `openapi` gives the OpenAPI document (JSON).
    #[must_use]
    pub fn answer(self, request: &Parts, openapi: impl FnOnce() -> Bytes) -> Option<Response<Body>> {
        let root = request.uri.path() == "/";
        let page = Self::page(request.uri.path(), openapi);
        if page.is_none() && !root {
            return None;
        }
        Some(match request.method {
            Method::GET | Method::HEAD => {
                let answer = page.map_or_else(|| home(&request.headers), |page| serve(&page, &request.headers));
                match request.method {
                    Method::HEAD => answer.map(|_| Body::empty()),
                    _ => answer,
                }
            }
            Method::OPTIONS => options(ALLOW),
            _ => http_error(Error::from(NoMatch::MethodNotAllowed {
                allow: ALLOW.to_owned(),
            })),
        })
    }

    fn page(path: &str, openapi: impl FnOnce() -> Bytes) -> Option<Page> {
        let (bytes, content_type, gzip) = match path {
            "/openapi.json" => {
                return Some(Page {
                    bytes: openapi(),
                    content_type: "application/json",
                    gzip: false,
                });
            }
            "/docs" | "/docs/" => (
                &include_bytes!("docs/index.html")[..],
                "text/html; charset=utf-8",
                false,
            ),
            "/docs/docs.css" => (&include_bytes!("docs/docs.css")[..], "text/css; charset=utf-8", false),
            "/docs/docs.js" => (
                &include_bytes!("docs/docs.js")[..],
                "text/javascript; charset=utf-8",
                false,
            ),
            "/docs/swagger-ui.css" => (STYLE, "text/css; charset=utf-8", true),
            "/docs/swagger-ui-bundle.js" => (SCRIPT, "text/javascript; charset=utf-8", true),
            _ => return None,
        };
        Some(Page {
            bytes: Bytes::from_static(bytes),
            content_type,
            gzip,
        })
    }
}

/// `/`: browsers are led to the docs, programs are told where things are.
fn home(headers: &HeaderMap) -> Response<Body> {
    let accept = headers.get(header::ACCEPT).and_then(|v| v.to_str().ok());
    if accept.is_some_and(|a| a.contains("text/html")) {
        let mut answer = Response::new(Body::empty());
        *answer.status_mut() = StatusCode::SEE_OTHER;
        answer
            .headers_mut()
            .insert(header::LOCATION, HeaderValue::from_static("/docs"));
        answer
            .headers_mut()
            .insert(header::VARY, HeaderValue::from_static("accept"));
        return answer;
    }
    let home = serde_json::json!({
        "name": "logicore", "version": VERSION,
        "docs": "/docs", "openapi": "/openapi.json", "health": "/health", "metrics": "/metrics",
    });
    let mut answer = Response::new(full(home.to_string()));
    let headers = answer.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(header::VARY, HeaderValue::from_static("accept"));
    answer
}

/// A page, or 304 where the caller has it. Always asked for anew: after an update nobody sees the page of the last version.
fn serve(page: &Page, request: &HeaderMap) -> Response<Body> {
    let etag = etag(&page.bytes);
    let known = request.get(header::IF_NONE_MATCH).and_then(|v| v.to_str().ok());
    let fresh = known.is_some_and(|k| {
        k.split(',')
            .any(|k| matches!(k.trim(), "*") || k.trim().trim_start_matches("W/") == etag)
    });
    let mut answer = match fresh {
        true => Response::new(Body::empty()),
        false => Response::new(full(page.bytes.clone())),
    };
    let headers = answer.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    headers.insert(
        header::ETAG,
        HeaderValue::from_str(&etag).expect("hexadecimal digits in quotes"),
    );
    if fresh {
        *answer.status_mut() = StatusCode::NOT_MODIFIED;
        return answer;
    }
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(page.content_type));
    headers.insert(header::CONTENT_LENGTH, page.bytes.len().into());
    if page.gzip {
        headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    }
    answer
}

/// Tells versions of a page apart; nobody gains by forging it.
fn etag(bytes: &[u8]) -> String {
    let mut hasher = DefaultHasher::new();
    bytes.hash(&mut hasher);
    format!("\"{:016x}\"", hasher.finish())
}

fn full(bytes: impl Into<Bytes>) -> Body {
    Body::new(Full::new(bytes.into()))
}

#[cfg(test)]
mod tests {
    use http::Request;
    use http_body_util::BodyExt;

    use super::*;

    fn get(path: &str, headers: &[(&'static str, &str)]) -> Option<Response<Body>> {
        let mut request = Request::get(path);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        Pages.answer(&request.body(()).unwrap().into_parts().0, || Bytes::from_static(b"{}"))
    }

    #[test]
    fn browsers_are_led_to_the_docs_and_programs_are_told() {
        let browser = get("/", &[("accept", "text/html,*/*;q=0.8")]).unwrap();
        assert_eq!(
            (browser.status(), &browser.headers()["location"]),
            (StatusCode::SEE_OTHER, &HeaderValue::from_static("/docs"))
        );
        let curl = get("/", &[("accept", "*/*")]).unwrap();
        assert_eq!(curl.headers()["content-type"], "application/json");
    }

    #[tokio::test]
    async fn the_page_names_only_files_that_are_served() {
        let page = get("/docs", &[])
            .unwrap()
            .into_body()
            .collect()
            .await
            .unwrap()
            .to_bytes();
        let page = String::from_utf8(page.to_vec()).unwrap();
        let files: Vec<_> = page.split('"').filter(|s| s.starts_with('/')).collect();
        assert_eq!(files.len(), 6, "{files:?}");
        for file in files {
            assert_eq!(get(file, &[]).unwrap().status(), StatusCode::OK, "{file}");
        }
        assert!(
            !page.contains("http:") && !page.contains("https:"),
            "nothing comes from elsewhere"
        );
    }

    #[tokio::test]
    async fn swagger_ui_is_served_compressed() {
        let answer = get("/docs/swagger-ui-bundle.js", &[]).unwrap();
        assert_eq!(answer.headers()["content-encoding"], "gzip");
        let bytes = answer.into_body().collect().await.unwrap().to_bytes();
        assert_eq!(&bytes[..3], [0x1f, 0x8b, 8]);
        let length = u32::from_le_bytes(bytes[bytes.len() - 4..].try_into().unwrap());
        assert!(length > 1_000_000, "{length} bytes when inflated");
    }

    #[test]
    fn what_the_caller_has_is_not_sent_again() {
        let etag = get("/openapi.json", &[]).unwrap().headers()["etag"]
            .to_str()
            .unwrap()
            .to_owned();
        for known in [etag.clone(), format!("\"x\", W/{etag}"), "*".to_owned()] {
            assert_eq!(
                get("/openapi.json", &[("if-none-match", &known)]).unwrap().status(),
                StatusCode::NOT_MODIFIED
            );
        }
        assert_eq!(
            get("/openapi.json", &[("if-none-match", "\"x\"")]).unwrap().status(),
            StatusCode::OK
        );
    }

    #[test]
    fn other_paths_and_verbs_are_no_pages() {
        for path in ["/docs/../Cargo.toml", "/docs/x", "/openapi.jsonx", "/auth/me"] {
            assert!(get(path, &[]).is_none(), "{path}");
        }
        let parts = Request::post("/docs").body(()).unwrap().into_parts().0;
        let answer = Pages.answer(&parts, Bytes::new).unwrap();
        assert_eq!(
            (answer.status(), &answer.headers()["allow"]),
            (StatusCode::METHOD_NOT_ALLOWED, &HeaderValue::from_static(ALLOW))
        );
    }
}
