//! What the layer is told: where to listen, whom to let in, how much to bear.

use std::net::SocketAddr;
use std::path::PathBuf;

use iot_core::port::ConfigError;

/// The embedded broker's configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BrokerConfig {
    /// Addresses for plain MQTT; port 0 takes a free one.
    pub listen: Vec<SocketAddr>,
    /// Addresses for MQTT over TLS.
    pub listen_tls: Vec<SocketAddr>,
    /// Certificate and key of the TLS listeners.
    pub tls: Option<TlsFiles>,
    /// Addresses for MQTT over WebSocket, for browsers.
    pub websocket: Vec<SocketAddr>,
    /// Sites whose pages may use the WebSocket listener, beside those that this host serves.
    pub origins: Vec<String>,
    /// Whether plain addresses may reach beyond this machine: passwords then travel in the clear.
    pub plain_beyond_loopback: bool,
    /// Whether anonymous clients of this machine may send commands.
    pub local_commands: bool,
    /// The largest payload that is taken, in bytes.
    pub max_message: u32,
    /// The most connections at a time.
    pub max_clients: usize,
    /// Publishes a second of one client from beyond this machine; more wait.
    pub max_rate: u32,
}

/// A TLS listener's files, both PEM.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsFiles {
    /// The certificate and those that vouch for it.
    pub cert: PathBuf,
    /// Its private key.
    pub key: PathBuf,
}

impl Default for BrokerConfig {
    fn default() -> Self {
        Self {
            listen: Vec::new(),
            listen_tls: Vec::new(),
            tls: None,
            websocket: Vec::new(),
            origins: Vec::new(),
            plain_beyond_loopback: false,
            local_commands: true,
            max_message: 1 << 20,
            max_clients: 1_000,
            max_rate: 5_000,
        }
    }
}

impl BrokerConfig {
    /// On plain addresses, with the defaults.
    #[must_use]
    pub fn on(listen: impl IntoIterator<Item = SocketAddr>) -> Self {
        Self { listen: listen.into_iter().collect(), ..Self::default() }
    }

    /// Checks it without touching the world.
    ///
    /// # Errors
    /// What is wrong and where.
    pub fn validate(&self) -> Result<(), ConfigError> {
        let plain = [("listen", &self.listen), ("websocket", &self.websocket)];
        for (key, addresses) in plain {
            for (n, address) in addresses.iter().enumerate() {
                if !address.ip().is_loopback() && !self.plain_beyond_loopback {
                    let detail = format!(
                        "{address} reaches beyond this machine without TLS, so passwords would travel in the clear; use listen_tls, or allow it with plain_beyond_loopback = true"
                    );
                    return Err(ConfigError::at(format!("/{key}/{n}"), detail));
                }
            }
        }
        if !self.listen_tls.is_empty() && self.tls.is_none() {
            let detail = "needs tls_cert and tls_key, the files of the certificate and its key";
            return Err(ConfigError::at("/listen_tls", detail));
        }
        if self.max_rate == 0 {
            return Err(ConfigError::at("/max_rate", "must be at least 1"));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_text_does_not_leave_the_machine_by_accident() {
        let far = BrokerConfig::on(["0.0.0.0:1883".parse().unwrap()]);
        assert!(far.validate().unwrap_err().to_string().contains("plain_beyond_loopback"));
        assert!(BrokerConfig { plain_beyond_loopback: true, ..far }.validate().is_ok());
        assert!(BrokerConfig::on(["127.0.0.1:0".parse().unwrap()]).validate().is_ok());
        let tls = vec!["0.0.0.0:8883".parse().unwrap()];
        assert!(BrokerConfig { listen_tls: tls, ..BrokerConfig::default() }.validate().is_err());
    }
}
