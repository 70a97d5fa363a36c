//! A whole gateway: readings of this machine and of a closure, kept in SQLite, shown over HTTP.
//!
//! `cargo run -p examples --example ten_lines`, then follow the printed link. Ctrl+C ends it.
//! The first argument is the data folder (`./data-example`), the second the address.

use iot_core::domain::Principal;
use iot_core::gateway::{Gateway, NewToken};
use iot_http::Http;
use iot_plugins::Host;
use iot_storage as _; // brings the scheme `sqlite`
use serde_json::json;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let mut args = std::env::args().skip(1);
    let data = args.next().unwrap_or_else(|| "data-example".to_owned());
    let http = Http::on(args.next().unwrap_or_else(|| "127.0.0.1:8080".to_owned()));
    let address = http.addresses();
    let mut level = 0.0;

    let gateway = Gateway::builder()
        .store("sqlite:iot.db")
        .data_dir(data)
        .plugin::<Host>("host", json!({"interval_ms": 1000}))
        .poll_fn("tank", move |out| {
            level = (level + 0.5) % 100.0;
            out.measured("level", "%", level);
        })
        .layer(http)
        .start()
        .await?;

    let (token, _) = gateway.issue(&Principal::local(), NewToken::link()).await?;
    for address in address.get() {
        say(&format!("http://{address}/#token={}", token.reveal()));
    }
    tokio::signal::ctrl_c().await?;
    gateway.stop().await;
    Ok(())
}

#[expect(clippy::print_stdout, reason = "an example speaks on the terminal")]
fn say(line: &str) {
    println!("{line}");
}
