//! Listeners of the embedded broker: bound when the layer opens.

use std::io::{self, ErrorKind};
use std::net::SocketAddr;

use tokio::net::{TcpListener, TcpSocket};

const BACKLOG: u32 = 1_024;

/// How bytes travel through a listener.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Transport {
    /// As they are.
    Plain,
    /// Through TLS.
    Tls,
    /// In WebSocket frames.
    WebSocket,
}

impl Transport {
    /// The setting that names its addresses.
    fn setting(self) -> &'static str {
        match self {
            Self::Plain => "[mqtt] listen or --mqtt",
            Self::Tls => "[mqtt] listen_tls",
            Self::WebSocket => "[mqtt] websocket",
        }
    }
}

/// Binds an address, or says in one sentence why it cannot be had and what to do.
pub(super) fn bind(address: SocketAddr, transport: Transport) -> Result<TcpListener, String> {
    let setting = transport.setting();
    try_bind(address).map_err(|error| match error.kind() {
        ErrorKind::AddrInUse => {
            format!("{address} is taken by another program; give another address with {setting}")
        }
        ErrorKind::AddrNotAvailable => {
            format!("{address} is no address of this machine; correct {setting}")
        }
        ErrorKind::PermissionDenied => format!(
            "{address} may not be listened on by this user; take a port above 1023 with {setting}"
        ),
        _ => format!("{address} cannot be listened on: {error}; see {setting}"),
    })
}

fn try_bind(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}
