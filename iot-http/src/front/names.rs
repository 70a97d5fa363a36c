//! `Host` and `Origin`: a name in the `Host` that is not ours is how a foreign page reaches a gateway
//! in somebody's home (DNS rebinding), and a foreign `Origin` is such a page saying so itself.

use std::net::{IpAddr, Ipv6Addr};

use axum::extract::{Request, State};
use axum::http::{HeaderValue, header};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};

use super::cross;
use crate::extract::discard;
use crate::problem::{Kind, Problem};
use crate::serve::Via;
use crate::state::App;

/// The names by which this gateway may be reached.
#[derive(Debug)]
pub(crate) struct Names {
    hosts: Vec<String>,
    origins: Vec<String>,
}

impl Names {
    pub(crate) fn new(hosts: &[String], origins: &[String]) -> Self {
        let machine = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
        Self::of_machine(machine.trim(), hosts, origins)
    }

    fn of_machine(machine: &str, hosts: &[String], origins: &[String]) -> Self {
        let mut all = vec!["localhost".to_owned()];
        let short = machine.split('.').next().unwrap_or("");
        for name in [machine, short].into_iter().filter(|name| !name.is_empty()) {
            all.extend([name.to_owned(), format!("{name}.local"), format!("{name}.lan")]);
        }
        all.extend(hosts.iter().map(|host| name_of(host).to_owned()));
        all.iter_mut().for_each(|name| name.make_ascii_lowercase());
        let origins = origins.iter().map(|o| o.trim_end_matches('/').to_ascii_lowercase());
        Self { hosts: all, origins: origins.collect() }
    }

    fn knows(&self, host: &str) -> bool {
        let name = name_of(host).trim_end_matches('.').to_ascii_lowercase();
        name.parse::<IpAddr>().is_ok() || self.hosts.contains(&name)
    }

    /// Where a page is from; none for one of a site that may not use this gateway.
    fn place(&self, origin: &str, host: &str) -> Option<From> {
        let origin = origin.to_ascii_lowercase();
        if origin == format!("http://{}", host.to_ascii_lowercase()) {
            return Some(From::Here);
        }
        self.origins.contains(&origin).then_some(From::Elsewhere)
    }
}

/// Where a request comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum From {
    /// Our own page, or a program.
    Here,
    /// A page of `[http] origins`.
    Elsewhere,
}

/// Whether a text has the form of a `Host`: a name, an IPv4 address or an IPv6 address in brackets,
/// with or without a port. An empty one has it too.
fn is_host(text: &str) -> bool {
    let (name, port) = match text.strip_prefix('[') {
        Some(rest) => match rest.split_once(']') {
            Some((address, port)) if address.parse::<Ipv6Addr>().is_ok() => ("", port),
            _ => return false,
        },
        None => text.split_at(text.find(':').unwrap_or(text.len())),
    };
    let digits = port.strip_prefix(':');
    name.bytes().all(|byte| byte.is_ascii_graphic() && !b"\"#/<>?@[\\]^`{|}".contains(&byte))
        && (port.is_empty() || digits.is_some_and(|d| d.bytes().all(|b| b.is_ascii_digit())))
}

/// A host without its port and without the brackets of IPv6.
fn name_of(host: &str) -> &str {
    if let Some(rest) = host.strip_prefix('[') {
        return rest.split(']').next().unwrap_or("");
    }
    match host.split_once(':') {
        Some((name, port)) if port.bytes().all(|b| b.is_ascii_digit()) => name,
        _ => host,
    }
}

/// Lets no request through that names another host, or comes from another site's page.
pub(crate) async fn check(State(app): State<App>, request: Request, next: Next) -> Response {
    if matches!(request.extensions().get::<Via>(), Some(Via::Control)) {
        return next.run(request).await;
    }
    match judge(&app.names, &request) {
        Ok(From::Here) => next.run(request).await,
        Ok(From::Elsewhere) => {
            let Some(origin) = request.headers().get(header::ORIGIN).cloned() else {
                return next.run(request).await;
            };
            if cross::is_preflight(&request) {
                return cross::preflight(origin);
            }
            let mut answer = next.run(request).await;
            cross::allow(answer.headers_mut(), origin);
            answer
        }
        Err(problem) => {
            discard(request.into_body()).await;
            problem.into_response()
        }
    }
}

fn judge(names: &Names, request: &Request) -> Result<From, Problem> {
    let text = |value: &HeaderValue| value.to_str().unwrap_or("?").to_owned();
    let mut hosts = request.headers().get_all(header::HOST).iter();
    let first = hosts.next().map(text).unwrap_or_default();
    if hosts.next().is_some() {
        return Err(Problem::new(Kind::BadRequest, "there is more than one Host"));
    }
    let sent = request.uri().authority().map_or_else(|| first.clone(), ToString::to_string);
    if let Some(wrong) = [&first, &sent].into_iter().find(|host| !is_host(host)) {
        let host: String = wrong.chars().take(80).collect();
        let detail = format!("the Host {host:?} is no name or address with or without a port");
        return Err(Problem::new(Kind::BadRequest, detail));
    }
    if !names.knows(&sent) {
        let host: String = sent.chars().take(80).collect();
        let detail = format!(
            "{host:?} is not a name of this gateway; if it should be, add it to `[http] hosts`"
        );
        return Err(Problem::new(Kind::Host, detail));
    }
    let Some(origin) = request.headers().get(header::ORIGIN).map(text) else {
        return Ok(From::Here);
    };
    names.place(&origin, &sent).ok_or_else(|| {
        let origin: String = origin.chars().take(80).collect();
        let detail = format!(
            "pages of {origin:?} may not use this gateway; if they should, add it to `[http] origins`"
        );
        Problem::new(Kind::Origin, detail)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names() -> Names {
        Names::of_machine(
            "Attic",
            &["gw.example".to_owned()],
            &["https://dash.example/".to_owned()],
        )
    }

    #[test]
    fn addresses_the_machine_and_named_hosts_are_known() {
        let known = [
            "127.0.0.1",
            "127.0.0.1:8080",
            "[::1]:8080",
            "[fe80::1]",
            "localhost:8080",
            "LOCALHOST",
            "attic",
            "attic.local:80",
            "Attic.lan",
            "attic.local.",
            "gw.example:8080",
        ];
        for host in known {
            assert!(names().knows(host), "{host}");
        }
        let foreign = [
            "",
            "evil.example",
            "127.0.0.1.evil.example",
            "localhost.evil.example",
            "attic.example",
            "gw.example.evil",
            "user@127.0.0.1",
            "?",
            "127.0.0.1:x",
        ];
        for host in foreign {
            assert!(!names().knows(host), "{host}");
        }
    }

    #[test]
    fn what_has_not_the_form_of_a_host_is_told_from_a_foreign_one() {
        for host in
            ["", "a", "a:", "a.b:80", "127.0.0.1:8080", "[::1]", "[::1]:80", "a_b", "%41", "evil"]
        {
            assert!(is_host(host), "{host}");
        }
        for host in [
            "[::1",
            "[::1]x",
            "[::1]:x",
            "[]",
            "[a]",
            "[127.0.0.1]",
            "::1",
            "a:x",
            "a:80:80",
            "a b",
            "a/b",
            "u@a",
            "?",
            "a?b",
            "é",
            "a]",
            "http://a",
            "a,b\t",
        ] {
            assert!(!is_host(host), "{host}");
        }
    }

    #[test]
    fn the_own_page_and_named_sites_are_trusted() {
        let names = names();
        let own = names.place("http://attic.local:8080", "attic.local:8080");
        assert_eq!(own, Some(From::Here));
        assert_eq!(names.place("https://dash.example", "attic"), Some(From::Elsewhere));
        for foreign in ["null", "http://attic.local", "https://attic.local:8080", "http://evil"] {
            assert_eq!(names.place(foreign, "attic.local:8080"), None, "{foreign}");
        }
    }
}
