//! A server for a row, and what is asked of it.

use std::net::SocketAddr;
use std::process::Command;

use anyhow::Context;
use iot_testkit::servers::http::Request;
use iot_testkit::servers::{IotServer, find_program};
use serde_json::Value;

use super::readings::PREFIX;
use crate::process::{peak_kb, resident_kb, server};

/// A running server on a new folder.
pub(crate) struct Gateway {
    server: IotServer,
    token: String,
}

impl Gateway {
    /// Starts it, with the text of a configuration file where one is given.
    pub(crate) fn start(config: Option<String>) -> anyhow::Result<Self> {
        let mut builder = IotServer::builder(server()?).mqtt();
        if let Some(config) = config {
            builder = builder.config(config);
        }
        let server = builder.start()?;
        let token = server.admin_token()?;
        Ok(Self { server, token })
    }

    pub(crate) fn token(&self) -> &str {
        &self.token
    }

    /// Where it listens for HTTP.
    pub(crate) fn http(&self) -> SocketAddr {
        self.server.address()
    }

    /// Where its broker listens.
    pub(crate) fn broker(&self) -> anyhow::Result<SocketAddr> {
        self.server.mqtt_address().context("the server was started with a broker")
    }

    /// Megabytes that it holds in memory.
    pub(crate) fn resident(&self) -> anyhow::Result<f64> {
        Ok(resident_kb(self.server.pid())? as f64 / 1024.0)
    }

    /// The most megabytes that it held so far.
    pub(crate) fn peak(&self) -> anyhow::Result<f64> {
        Ok(peak_kb(self.server.pid())? as f64 / 1024.0)
    }

    /// A resource of its API.
    pub(crate) fn get(&self, path: &str) -> anyhow::Result<Value> {
        let request = Request::new("GET", &format!("/api/v1/{path}")).bearer(&self.token);
        let answer = request.send(self.http())?;
        anyhow::ensure!(answer.status == 200, "{path}: {} {}", answer.status, answer.text());
        Ok(answer.json()?)
    }

    /// Checks that so many readings of the bench's devices are in the database, as the ledger and
    /// the plain `sqlite3` shell see it. Each was sent once, so there are no more either.
    pub(crate) fn check(&self, acknowledged: u64) -> anyhow::Result<()> {
        let ledger = self.get("diagnostics")?;
        let stored = ledger["ledger"]["stored"].as_u64().context("the ledger counts `stored`")?;
        anyhow::ensure!(
            stored >= acknowledged,
            "{acknowledged} readings were acknowledged and {stored} are stored"
        );
        let query = format!("SELECT count(*) FROM device_data WHERE device_id LIKE '{PREFIX}%'");
        let output = Command::new(find_program("sqlite3", "sqlite3")?)
            .arg("-readonly")
            .arg(self.server.data_dir().join("iot.db"))
            .arg(query)
            .output()?;
        let answer = String::from_utf8_lossy(&output.stdout);
        let rows: u64 = answer.trim().parse().with_context(|| {
            format!("sqlite3 said: {answer}{}", String::from_utf8_lossy(&output.stderr))
        })?;
        anyhow::ensure!(
            rows == acknowledged,
            "{acknowledged} readings were acknowledged and {rows} are in the database"
        );
        Ok(())
    }
}
