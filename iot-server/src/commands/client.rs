//! A gateway's API, reached over its control socket with the rights of an admin: that of the running
//! server, or of one that this process opens for the moment where none runs.

use std::io;
use std::os::fd::AsRawFd as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, anyhow, bail};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Bytes;
use hyper::client::conn::http1::{self, SendRequest};
use hyper::{Method, Request};
use hyper_util::rt::TokioIo;
use serde_json::Value as Json;
use tokio::net::UnixStream;

use super::in_process::InProcess;
use crate::cli::Whose;
use crate::compose::Place;
use crate::config::{Environment, Sources};

/// The socket's name in the data folder.
const SOCKET: &str = "control.sock";
/// The most that a socket's path may hold.
const LONGEST: usize = 107;
/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(30);
/// The most that an answer may hold.
const LARGEST: usize = 64 << 20;

/// An open way to a gateway's API.
#[derive(Debug)]
pub(crate) struct Api {
    sender: SendRequest<Full<Bytes>>,
    connection: tokio::task::JoinHandle<()>,
    own: Option<InProcess>,
    data: PathBuf,
}

impl Api {
    /// Reaches the gateway of a data folder.
    pub(crate) async fn open(whose: &Whose) -> anyhow::Result<Self> {
        let environment = Environment::of_process()?;
        let place = Place::of(whose.data.as_deref(), None, &environment);
        let (stream, own) = match connect(&place.data).await {
            Ok(stream) => (stream, None),
            Err(error) if is_absent(&error) => {
                let config = whose.config.clone();
                let sources = Sources { environment, config, ..Sources::default() };
                let own = InProcess::open(&sources, &place).await?;
                let stream = connect(&place.data).await;
                (stream.context("the gateway's own socket does not answer")?, Some(own))
            }
            Err(error) => {
                let socket = place.data.join(SOCKET);
                return Err(error).with_context(|| format!("cannot speak to {}", socket.display()));
            }
        };
        let (sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
        let connection = iot_core::task::spawn(async move {
            // An error here is seen by the request that it breaks.
            let _ended = connection.await;
        });
        Ok(Self { sender, connection, own, data: place.data })
    }

    /// Sends a request and gives the answer's body; an answer that says no is an error in its words.
    pub(crate) async fn call(
        &mut self,
        method: Method,
        path: &str,
        body: Option<&Json>,
    ) -> anyhow::Result<Json> {
        let content = body.map(Json::to_string).unwrap_or_default();
        let mut request = Request::builder().method(method).uri(path).header("Host", "localhost");
        if body.is_some() {
            request = request.header("Content-Type", "application/json");
        }
        let request = request.body(Full::new(Bytes::from(content)))?;
        let answer = async {
            // The connection may still be busy with the end of the answer before.
            self.sender.ready().await?;
            let response = self.sender.send_request(request).await?;
            let status = response.status();
            let body = Limited::new(response.into_body(), LARGEST)
                .collect()
                .await
                .map_err(|error| anyhow!("the answer broke off: {error}"))?
                .to_bytes();
            anyhow::Ok((status, body))
        };
        let (status, body) = tokio::time::timeout(PATIENCE, answer)
            .await
            .map_err(|_| anyhow!("the gateway did not answer within {PATIENCE:?}"))??;
        let json = if body.is_empty() {
            Json::Null
        } else {
            serde_json::from_slice(&body).context("the answer is no JSON")?
        };
        if !status.is_success() {
            bail!("{}", refusal(status, &json));
        }
        Ok(json)
    }

    /// All items of a list, whatever number of pages it takes.
    pub(crate) async fn list(&mut self, path: &str) -> anyhow::Result<Vec<Json>> {
        let mut items = Vec::new();
        let mut cursor: Option<String> = None;
        loop {
            let separator = if path.contains('?') { '&' } else { '?' };
            let after = cursor.map_or(String::new(), |cursor| format!("&cursor={cursor}"));
            let page = format!("{path}{separator}limit=1000{after}");
            let mut answer = self.call(Method::GET, &page, None).await?;
            match answer.get_mut("items").map(Json::take) {
                Some(Json::Array(more)) => items.extend(more),
                _ => bail!("the answer to {path} is no list"),
            }
            cursor = answer.get("next").and_then(Json::as_str).map(str::to_owned);
            if cursor.is_none() {
                return Ok(items);
            }
        }
    }

    /// Where no server runs: the addresses on which one would listen by this command's configuration.
    pub(crate) fn would_listen(&self) -> Option<&[std::net::SocketAddr]> {
        self.own.as_ref().map(InProcess::addresses)
    }

    /// The gateway's data folder.
    pub(crate) fn data(&self) -> &Path {
        &self.data
    }

    /// Lets go of the gateway; stops one that this process opened.
    pub(crate) async fn close(self) {
        drop(self.sender);
        self.connection.abort();
        if let Some(own) = self.own {
            own.close().await;
        }
    }
}

fn is_absent(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused)
}

/// Connects to a folder's socket. A path that is too long for a socket's address is reached through
/// the opened folder.
async fn connect(data: &Path) -> io::Result<UnixStream> {
    let socket: PathBuf = data.join(SOCKET);
    if socket.as_os_str().len() <= LONGEST {
        return UnixStream::connect(socket).await;
    }
    let folder = std::fs::File::open(data)?;
    UnixStream::connect(format!("/proc/self/fd/{}/{SOCKET}", folder.as_raw_fd())).await
}

/// A problem (RFC 9457) as one sentence.
fn refusal(status: hyper::StatusCode, problem: &Json) -> String {
    let text = |name: &str| problem.get(name).and_then(Json::as_str);
    let mut said = text("detail").or_else(|| text("title")).unwrap_or(status.as_str()).to_owned();
    for error in problem.get("errors").and_then(Json::as_array).into_iter().flatten() {
        let part = |name: &str| error.get(name).and_then(Json::as_str).unwrap_or_default();
        said.push_str(&format!("; {} {}", part("pointer"), part("detail")));
    }
    said
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_path_too_long_for_an_address_is_reached_all_the_same() {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().join("d".repeat(120));
        std::fs::create_dir(&data).unwrap();
        assert!(is_absent(&connect(&data).await.unwrap_err()));
        let opened = std::fs::File::open(&data).unwrap();
        let short = format!("/proc/self/fd/{}/{SOCKET}", opened.as_raw_fd());
        let listener = tokio::net::UnixListener::bind(short).unwrap();
        assert!(connect(&data).await.is_ok());
        drop(listener);
        assert!(is_absent(&connect(&data).await.unwrap_err()), "a socket that nobody serves");
    }

    #[test]
    fn a_refusal_is_a_sentence_that_names_the_field() {
        let problem = serde_json::json!({
            "title": "Invalid", "detail": "the token cannot be made",
            "errors": [{"pointer": "/name", "detail": "must have 1 to 64 characters"}],
        });
        assert_eq!(
            refusal(hyper::StatusCode::BAD_REQUEST, &problem),
            "the token cannot be made; /name must have 1 to 64 characters"
        );
        assert_eq!(refusal(hyper::StatusCode::NOT_FOUND, &Json::Null), "404");
    }
}
