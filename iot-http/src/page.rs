//! The web page, from inside the binary: compressed when it was built, cached as long as it is the
//! same. Any path without a dot that is nothing else is one of its views, and gets `index.html`.

use std::hash::{DefaultHasher, Hasher as _};

use axum::body::Bytes;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};

use crate::etag;
use crate::problem::{Kind, Problem};

/// A file of the page.
#[derive(Debug)]
struct File {
    path: &'static str,
    tag: &'static str,
    content: &'static [u8],
}

#[cfg(feature = "page")]
mod built {
    use super::File;

    include!(concat!(env!("OUT_DIR"), "/page.rs"));
}

#[cfg(not(feature = "page"))]
mod built {
    use super::File;

    pub(super) const FILES: &[File] = &[];
    pub(super) const WHY: &str =
        "This build of the gateway serves the API alone; the web page is not part of it.";
}

use built::{FILES, WHY};

const PLACE_OF_BUILD: &str = "__IOT_BUILD__";
const YEAR: &str = "public, max-age=31536000, immutable";
const ASK: &str = "no-cache";

/// The page of one gateway.
#[derive(Debug)]
pub(crate) struct Page {
    index: Bytes,
    tag: String,
}

impl Page {
    /// The page, which then knows the build that it came from.
    pub(crate) fn new(build: &str) -> Self {
        let built = FILES.iter().find(|file| file.path == "index.html");
        let text = match built.and_then(|file| std::str::from_utf8(file.content).ok()) {
            Some(index) => index.replace(PLACE_OF_BUILD, &escaped(build)),
            None => notice(),
        };
        let mut hasher = DefaultHasher::new();
        hasher.write(text.as_bytes());
        Self { tag: format!("\"{:016x}\"", hasher.finish()), index: text.into() }
    }

    /// Answers a GET of a path that no route has.
    pub(crate) fn serve(&self, path: &str, headers: &HeaderMap) -> Response {
        let name = path.trim_start_matches('/');
        if name.is_empty() || name == "index.html" || !name.contains('.') {
            let html = "text/html; charset=utf-8";
            return answer(headers, &self.tag, html, ASK, None, self.index.clone());
        }
        let Some(plain) = find(name) else {
            let path: String = path.chars().take(120).collect();
            return Problem::new(Kind::NotFound, format!("there is no {path}")).into_response();
        };
        let caching = if name.starts_with("assets/") { YEAR } else { ASK };
        let packed = [("br", ".br"), ("gzip", ".gz")].into_iter().find_map(|(coding, ending)| {
            let file = find(&format!("{name}{ending}"))?;
            accepts(headers, coding).then_some((coding, file))
        });
        let (coding, file) = packed.map_or((None, plain), |(coding, file)| (Some(coding), file));
        let content = Bytes::from_static(file.content);
        answer(headers, file.tag, media_type(name), caching, coding, content)
    }
}

fn find(path: &str) -> Option<&'static File> {
    FILES.binary_search_by(|file| file.path.cmp(path)).ok().map(|at| &FILES[at])
}

fn answer(
    headers: &HeaderMap,
    tag: &str,
    media_type: &'static str,
    caching: &'static str,
    coding: Option<&'static str>,
    content: Bytes,
) -> Response {
    let mut answer = if etag::is_known(headers, tag) {
        StatusCode::NOT_MODIFIED.into_response()
    } else {
        content.into_response()
    };
    etag::put(&mut answer, tag);
    let set = answer.headers_mut();
    set.insert(header::CONTENT_TYPE, HeaderValue::from_static(media_type));
    set.insert(header::CACHE_CONTROL, HeaderValue::from_static(caching));
    set.insert(header::VARY, HeaderValue::from_static("Accept-Encoding"));
    if let Some(coding) = coding {
        set.insert(header::CONTENT_ENCODING, HeaderValue::from_static(coding));
    }
    answer
}

/// Whether a coding is accepted: named, and not with a weight of zero.
fn accepts(headers: &HeaderMap, coding: &str) -> bool {
    let values = headers.get_all(header::ACCEPT_ENCODING).iter();
    values.filter_map(|value| value.to_str().ok()).flat_map(|value| value.split(',')).any(|one| {
        let mut parts = one.split(';').map(str::trim);
        let named = parts.next().is_some_and(|name| name.eq_ignore_ascii_case(coding));
        let refused = parts
            .filter_map(|part| part.strip_prefix("q="))
            .any(|q| q.parse::<f32>().is_ok_and(|q| q <= 0.0));
        named && !refused
    })
}

fn media_type(name: &str) -> &'static str {
    match name.rsplit_once('.').map_or("", |(_, ending)| ending) {
        "html" => "text/html; charset=utf-8",
        "js" | "mjs" => "text/javascript; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "svg" => "image/svg+xml",
        "json" | "map" => "application/json",
        "webmanifest" => "application/manifest+json",
        "txt" => "text/plain; charset=utf-8",
        "png" => "image/png",
        "ico" => "image/x-icon",
        "woff2" => "font/woff2",
        _ => "application/octet-stream",
    }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

fn notice() -> String {
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<head><meta charset=\"utf-8\" />\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\" />\
         <title>IoT gateway</title></head>\n<body>\n<h1>IoT gateway</h1>\n<p>{}</p>\n\
         <p>The API is at <code>/api/v1</code>, and <a href=\"/health/ready\">/health/ready</a> says \
         whether the gateway runs.</p>\n</body>\n</html>\n",
        escaped(WHY)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(name: axum::http::HeaderName, value: &'static str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(name, HeaderValue::from_static(value));
        headers
    }

    #[test]
    fn a_coding_is_taken_when_it_is_named_and_not_refused() {
        let accepts = |value, coding| accepts(&with(header::ACCEPT_ENCODING, value), coding);
        assert!(accepts("gzip, deflate, br", "br"));
        assert!(accepts("br;q=0.5", "br"));
        assert!(!accepts("gzip, br;q=0", "br"));
        assert!(!accepts("brotli", "br"));
        assert!(!accepts("identity", "gzip"));
    }

    #[test]
    fn files_are_sorted_as_the_search_needs() {
        assert!(FILES.is_sorted_by(|a, b| a.path < b.path));
    }

    #[test]
    fn views_get_the_index_and_unknown_files_do_not() {
        let page = Page::new("1.0 <\"x\">");
        for view in ["/", "/devices/attic", "/index.html", "/sign-in"] {
            let answer = page.serve(view, &HeaderMap::new());
            assert_eq!(answer.status(), StatusCode::OK, "{view}");
            assert_eq!(answer.headers()[header::CACHE_CONTROL], ASK);
            let known = with(header::IF_NONE_MATCH, "\"0\"");
            assert_eq!(page.serve(view, &known).status(), StatusCode::OK);
        }
        for file in ["/nothing.js", "/assets/../index.html.br", "/.env", "/../Cargo.toml"] {
            assert_eq!(
                page.serve(file, &HeaderMap::new()).status(),
                StatusCode::NOT_FOUND,
                "{file}"
            );
        }
        assert!(!String::from_utf8_lossy(&page.index).contains(PLACE_OF_BUILD));
    }
}
