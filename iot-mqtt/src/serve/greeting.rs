//! A connection's first words: CONNECT, who sends it, CONNACK.

use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use iot_core::domain::Denied;
use rmqtt_codec::v5::{Connect, ConnectAck, ConnectAckReason, Packet};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::time::Instant;

use crate::broker::codec::{Codec, Version};
use crate::broker::connect::Accepted;
use crate::broker::rights::{Client, Verdict};
use crate::broker::session::ConnectionId;
use crate::broker::violation::refusal;
use crate::broker::{Hub, Seat};
use crate::topic::Topic;

/// Who has not said CONNECT within this is not served.
const SILENCE: Duration = Duration::from_secs(10);
/// How long to read on, and how much, before a connection closes: a close with unread bytes is a
/// reset, and the client never sees why.
const LINGER: Duration = Duration::from_millis(500);
const LINGER_BYTES: usize = 256 << 10;

/// A client that was let in.
pub(super) struct Greeted {
    pub(super) id: ConnectionId,
    pub(super) seat: Arc<Seat>,
    pub(super) client: Client,
    pub(super) codec: Codec,
    pub(super) accepted: Accepted,
    /// What was read beyond the CONNECT.
    pub(super) read: BytesMut,
}

/// Reads CONNECT and answers it; none where the client is not let in, which it was told.
pub(super) async fn greet<S>(stream: &mut S, hub: &Arc<Hub>, here: bool) -> Option<Greeted>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let mut codec = hub.codec();
    let mut read = BytesMut::new();
    let deadline = Instant::now() + SILENCE;
    let (connect, version) = loop {
        let mut out = BytesMut::new();
        match codec.decode(&mut read) {
            Ok(Some(Packet::Connect(connect))) => {
                // A CONNECT that was read is of a version that is spoken here.
                break (connect, codec.version()?);
            }
            // The codec takes nothing else first.
            Ok(Some(_)) => return None,
            Ok(None) => {}
            Err(violation) => {
                tracing::debug!(%violation, "a client was not let in");
                codec.farewell(&violation, false, &mut out);
                part(stream, &out).await;
                return None;
            }
        }
        let some = tokio::time::timeout_at(deadline, stream.read_buf(&mut read)).await;
        if !matches!(some, Ok(Ok(1..))) {
            return None;
        }
    };
    let (id, seat) = (hub.connection(), Arc::new(Seat::default()));
    let greeted = match admit(hub, &connect, here).await {
        Ok(client) => {
            let owner: Arc<str> = client.principal.name.as_str().into();
            let accept = hub.connect(id, seat.clone(), |state| {
                state.connect(id, version, &connect, &owner, Instant::now())
            });
            accept.map(|accepted| (client, accepted))
        }
        Err(refused) => Err(refused),
    };
    let (client, mut accepted) = match greeted {
        Ok(greeted) => greeted,
        Err(refused) => {
            let mut out = BytesMut::new();
            codec.encode(refused, &mut out);
            part(stream, &out).await;
            return None;
        }
    };
    hub.wills(std::mem::take(&mut accepted.wills));
    let kind = if version == Version::V5 { "5" } else { "3" };
    let who = &client.principal.name;
    tracing::debug!(client = %accepted.client, who, version = kind, "a client is connected");
    Some(Greeted { id, seat, client, codec, accepted, read })
}

/// Who a client is, and whether what it leaves to be published may be published by it.
async fn admit(hub: &Hub, connect: &Connect, here: bool) -> Result<Client, Box<ConnectAck>> {
    // Some clients send a name and a password that are empty where they have none.
    let named = connect.username.as_ref().is_some_and(|name| !name.is_empty());
    let password = connect.password.as_deref().filter(|password| !password.is_empty());
    let client = hub.keeper.admit(password, named, here).await.map_err(|denied| match denied {
        Denied::Unavailable => refusal(ConnectAckReason::ServerUnavailable),
        _ if password.is_some() || named => refusal(ConnectAckReason::BadUserNameOrPassword),
        _ => refusal(ConnectAckReason::NotAuthorized),
    })?;
    if let Some(will) = &connect.last_will
        && client.may_publish(&Topic::parse(&will.topic), &will.topic) == Verdict::Denied
    {
        return Err(refusal(ConnectAckReason::NotAuthorized));
    }
    Ok(client)
}

/// Says the last words and closes, so that the client hears them.
pub(super) async fn part<S>(stream: &mut S, last: &[u8])
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let goodbye = async {
        stream.write_all(last).await?;
        stream.shutdown().await?;
        let mut unread = BytesMut::new();
        let mut left = LINGER_BYTES;
        while left > 0 {
            unread.clear();
            let read = stream.read_buf(&mut unread).await?;
            if read == 0 {
                break;
            }
            left = left.saturating_sub(read);
        }
        Ok::<_, std::io::Error>(())
    };
    // A client that is gone has heard enough.
    drop(tokio::time::timeout(LINGER, goodbye).await);
}
