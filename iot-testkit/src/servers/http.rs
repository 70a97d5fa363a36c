//! The least HTTP that a test needs: one request a connection, blocking, over loopback.
//!
//! It is no client for products: no TLS, no redirects, no reuse.

use std::io::{self, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use serde_json::Value;

const CONNECT_WITHIN: Duration = Duration::from_secs(5);
const ANSWER_WITHIN: Duration = Duration::from_secs(30);

/// A request to be sent.
#[derive(Debug, Clone)]
pub struct Request {
    method: String,
    path: String,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

impl Request {
    /// `method` on `path`, which begins with a slash and is already encoded.
    #[must_use]
    pub fn new(method: &str, path: &str) -> Self {
        Self {
            method: method.to_owned(),
            path: path.to_owned(),
            headers: Vec::new(),
            body: Vec::new(),
        }
    }

    /// Adds a header.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Adds the credential of an API token.
    #[must_use]
    pub fn bearer(self, token: &str) -> Self {
        self.header("Authorization", &format!("Bearer {token}"))
    }

    /// Sends `body` as JSON.
    #[must_use]
    pub fn json(mut self, body: &Value) -> Self {
        self.body = body.to_string().into_bytes();
        self.header("Content-Type", "application/json")
    }

    /// Sends `body` as it is.
    #[must_use]
    pub fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self
    }

    /// Sends it and reads the whole answer.
    ///
    /// # Errors
    ///
    /// When the connection fails, the answer takes too long or is not HTTP.
    pub fn send(&self, server: SocketAddr) -> io::Result<Response> {
        let mut stream = TcpStream::connect_timeout(&server, CONNECT_WITHIN)?;
        stream.set_read_timeout(Some(ANSWER_WITHIN))?;
        stream.set_write_timeout(Some(ANSWER_WITHIN))?;
        stream.write_all(&self.bytes(server))?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer)?;
        Response::parse(&answer)
    }

    fn bytes(&self, server: SocketAddr) -> Vec<u8> {
        let mut head = format!("{} {} HTTP/1.1\r\nConnection: close\r\n", self.method, self.path);
        if !self.headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("host")) {
            head.push_str(&format!("Host: {server}\r\n"));
        }
        if !self.body.is_empty() {
            head.push_str(&format!("Content-Length: {}\r\n", self.body.len()));
        } else if self.method != "GET" {
            head.push_str("Content-Length: 0\r\n");
        }
        for (name, value) in &self.headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        head.push_str("\r\n");
        let mut bytes = head.into_bytes();
        bytes.extend_from_slice(&self.body);
        bytes
    }
}

/// An answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Response {
    /// Its status.
    pub status: u16,
    /// Its headers in their order, names in lower case.
    pub headers: Vec<(String, String)>,
    /// Its body, put together where it came in chunks.
    pub body: Vec<u8>,
}

impl Response {
    /// The first header of that name.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str())
    }

    /// Its body as text.
    #[must_use]
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// Its body as JSON.
    ///
    /// # Errors
    ///
    /// When it is not.
    pub fn json(&self) -> serde_json::Result<Value> {
        serde_json::from_slice(&self.body)
    }

    fn parse(answer: &[u8]) -> io::Result<Self> {
        let (head, rest) = split_at(answer, b"\r\n\r\n").ok_or_else(|| no_http(answer))?;
        let head = String::from_utf8_lossy(head);
        let mut lines = head.split("\r\n");
        let status = lines.next().and_then(|line| line.split(' ').nth(1)?.parse().ok());
        let status = status.ok_or_else(|| no_http(answer))?;
        let headers: Vec<_> = lines
            .filter_map(|line| line.split_once(':'))
            .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
            .collect();
        let response = Self { status, headers, body: Vec::new() };
        let chunked = response.header("transfer-encoding") == Some("chunked");
        let body = if chunked {
            join_chunks(rest).ok_or_else(|| cut_short(rest.len()))?
        } else {
            let length = response.header("content-length").and_then(|value| value.parse().ok());
            if length.is_some_and(|length: usize| rest.len() < length) && !rest.is_empty() {
                return Err(cut_short(rest.len()));
            }
            rest.to_vec()
        };
        Ok(Self { body, ..response })
    }
}

fn no_http(answer: &[u8]) -> io::Error {
    let start = String::from_utf8_lossy(&answer[..answer.len().min(80)]);
    io::Error::new(io::ErrorKind::InvalidData, format!("no HTTP answer: {start:?}"))
}

fn cut_short(had: usize) -> io::Error {
    let text = format!("the answer's body ended early, after {had} bytes");
    io::Error::new(io::ErrorKind::UnexpectedEof, text)
}

fn split_at<'a>(bytes: &'a [u8], mark: &[u8]) -> Option<(&'a [u8], &'a [u8])> {
    let at = bytes.windows(mark.len()).position(|window| window == mark)?;
    Some((&bytes[..at], &bytes[at + mark.len()..]))
}

/// The chunks of a body, together; `None` if the last is missing.
fn join_chunks(mut rest: &[u8]) -> Option<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let (size, after) = split_at(rest, b"\r\n")?;
        let size = std::str::from_utf8(size).ok()?.split(';').next()?.trim();
        let size = usize::from_str_radix(size, 16).ok()?;
        if size == 0 {
            return Some(body);
        }
        body.extend_from_slice(after.get(..size)?);
        rest = after.get(size..)?.strip_prefix(b"\r\n")?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use std::net::TcpListener;

    #[test]
    fn a_request_is_what_a_server_expects() {
        let server = "127.0.0.1:8080".parse().unwrap();
        let request = Request::new("POST", "/api/v1/devices").bearer("t").json(&json!({"a": 1}));
        assert_eq!(
            String::from_utf8(request.bytes(server)).unwrap(),
            "POST /api/v1/devices HTTP/1.1\r\nConnection: close\r\nHost: 127.0.0.1:8080\r\n\
             Content-Length: 7\r\nAuthorization: Bearer t\r\nContent-Type: application/json\r\n\r\n\
             {\"a\":1}"
        );
    }

    #[test]
    fn answers_come_whole_or_not_at_all() {
        let plain =
            Response::parse(b"HTTP/1.1 200 OK\r\nETag: \"1\"\r\nContent-Length: 2\r\n\r\n{}");
        let plain = plain.unwrap();
        assert_eq!((plain.status, plain.header("etag")), (200, Some("\"1\"")));
        assert_eq!(plain.json().unwrap(), json!({}));

        let head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
        let whole = format!("{head}5\r\nhello\r\n7;x=y\r\n, world\r\n0\r\n\r\n");
        assert_eq!(Response::parse(whole.as_bytes()).unwrap().text(), "hello, world");
        for part in [whole.len() - 6, whole.len() - 12] {
            assert!(Response::parse(&whole.as_bytes()[..part]).is_err(), "{part}");
        }
        assert!(Response::parse(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nshort").is_err());
        assert!(Response::parse(b"SSH-2.0-OpenSSH\r\n").is_err());
    }

    #[test]
    fn one_request_goes_over_one_connection() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let server = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut seen = [0; 1024];
            let count = stream.read(&mut seen).unwrap();
            stream.write_all(b"HTTP/1.1 503 Service Unavailable\r\n\r\nnot yet").unwrap();
            String::from_utf8_lossy(&seen[..count]).into_owned()
        });
        let response = Request::new("GET", "/health/ready").send(address).unwrap();
        assert_eq!((response.status, response.text().as_str()), (503, "not yet"));
        assert!(server.join().unwrap().starts_with("GET /health/ready HTTP/1.1\r\n"));
    }
}
