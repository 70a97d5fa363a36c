//! The page's session cookie: out of reach of scripts, sent to this site alone.

use std::time::Duration;

use axum::http::{HeaderMap, HeaderValue, header};
use iot_core::domain::TokenSecret;

/// The cookie's secret, where one was sent.
pub(super) fn find(headers: &HeaderMap, name: &str) -> Option<TokenSecret> {
    headers
        .get_all(header::COOKIE)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .find(|(key, _)| *key == name)
        .map(|(_, value)| TokenSecret::given(value))
}

/// `Set-Cookie` for a fresh session and as long as it lives. `Secure` is for connections over TLS.
pub(crate) fn set(
    name: &str,
    secret: &TokenSecret,
    lives: Duration,
    tls: bool,
) -> Option<HeaderValue> {
    let secure = if tls { "; Secure" } else { "" };
    let cookie = format!(
        "{name}={}; Path=/; Max-Age={}; HttpOnly; SameSite=Strict{secure}",
        secret.reveal(),
        lives.as_secs()
    );
    let mut value = HeaderValue::from_str(&cookie).ok()?;
    value.set_sensitive(true);
    Some(value)
}

/// `Set-Cookie` that takes the session's cookie away.
pub(crate) fn clear(name: &str) -> Option<HeaderValue> {
    HeaderValue::from_str(&format!("{name}=; Path=/; Max-Age=0; HttpOnly; SameSite=Strict")).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_right_cookie_is_found_among_others() {
        let mut headers = HeaderMap::new();
        headers.append(header::COOKIE, HeaderValue::from_static("a=1; iot_other=2"));
        headers.append(header::COOKIE, HeaderValue::from_static("x=3;iot_attic=secret"));
        assert_eq!(find(&headers, "iot_attic"), Some(TokenSecret::given("secret")));
        assert_eq!(find(&headers, "iot_atti"), None);
        let set = set("iot_attic", &TokenSecret::given("s"), Duration::from_secs(60), false);
        let set = set.unwrap();
        let text = set.to_str().unwrap();
        assert!(text.starts_with("iot_attic=s; Path=/; Max-Age=60; "), "{text}");
        assert!(text.contains("HttpOnly; SameSite=Strict") && !text.contains("Secure"));
    }
}
