//! Brokers made up for what no real one does when asked.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use iot_core::port::LinkState;
use iot_core::task;
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::task::AbortOnDropHandle;

use super::kit::Rig;

/// How a broker behaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Manner {
    /// It answers every subscription with a failure.
    DeniesSubscriptions,
    /// It speaks 3.1.1 and answers MQTT 5 as 3.1.1 says.
    OldAndCorrect,
    /// It speaks 3.1.1 and hangs up on MQTT 5.
    OldAndRude,
    /// It answers each fifth publish by "not authorized", where the version has a word for it.
    DeniesSome,
}

/// A broker that acknowledges, and does no more.
#[derive(Debug)]
pub(crate) struct Fake {
    address: SocketAddr,
    connects: Arc<AtomicU32>,
    _task: AbortOnDropHandle<()>,
}

impl Fake {
    pub(crate) async fn start(manner: Manner) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let connects = Arc::new(AtomicU32::new(0));
        let counted = connects.clone();
        let task = task::spawn(async move {
            let mut open = tokio::task::JoinSet::new();
            while let Ok((socket, _)) = listener.accept().await {
                counted.fetch_add(1, Ordering::Relaxed);
                open.spawn(serve(socket, manner));
            }
        });
        Self { address, connects, _task: AbortOnDropHandle::new(task) }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(crate) fn connects(&self) -> u32 {
        self.connects.load(Ordering::Relaxed)
    }
}

async fn packet(socket: &mut TcpStream) -> std::io::Result<(u8, Vec<u8>)> {
    let first = socket.read_u8().await?;
    let (mut length, mut shift) = (0_usize, 0);
    loop {
        let byte = socket.read_u8().await?;
        length |= usize::from(byte & 0x7f) << shift;
        shift += 7;
        if byte & 0x80 == 0 {
            break;
        }
    }
    let mut body = vec![0; length];
    socket.read_exact(&mut body).await?;
    Ok((first, body))
}

async fn serve(mut socket: TcpStream, manner: Manner) -> std::io::Result<()> {
    let mut five = false;
    let mut published = 0_u32;
    loop {
        let (first, body) = packet(&mut socket).await?;
        match first >> 4 {
            1 => {
                five = body[6] == 5;
                let answer: &[u8] = match (manner, five) {
                    (Manner::OldAndCorrect, true) => &[0x20, 2, 0, 1],
                    (Manner::OldAndRude, true) => return Ok(()),
                    (_, true) => &[0x20, 3, 0, 0, 0],
                    (_, false) => &[0x20, 2, 0, 0],
                };
                socket.write_all(answer).await?;
            }
            3 => {
                let topic = usize::from(u16::from_be_bytes([body[0], body[1]]));
                let data = body[2..2 + topic].ends_with(b"/data");
                let id = &body[2 + topic..4 + topic];
                published += u32::from(data);
                let denied =
                    manner == Manner::DeniesSome && five && data && published.is_multiple_of(5);
                if denied {
                    socket.write_all(&[0x40, 3, id[0], id[1], 0x87]).await?;
                } else {
                    socket.write_all(&[0x40, 2, id[0], id[1]]).await?;
                }
            }
            8 => {
                let code = if manner == Manner::DeniesSubscriptions { 0x80 } else { 1 };
                let (a, b) = (body[0], body[1]);
                if five {
                    socket.write_all(&[0x90, 4, a, b, 0, code]).await?;
                } else {
                    socket.write_all(&[0x90, 3, a, b, code]).await?;
                }
            }
            12 => socket.write_all(&[0xd0, 0]).await?,
            14 => return Ok(()),
            _ => {}
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_that_does_not_know_mqtt_5_is_spoken_to_in_3_1_1() {
    for manner in [Manner::OldAndCorrect, Manner::OldAndRude] {
        let broker = Fake::start(manner).await;
        let rig = Rig::start(&format!("old-{manner:?}"), broker.address(), json!({})).await;
        rig.stands(LinkState::Live).await;
        rig.submit("attic", 0, 3).await;
        assert_eq!(rig.settled().await.acknowledged, 3);
        assert_eq!(broker.connects(), 2, "one of each");
        rig.stop().await;
        let table = json!({"version": "5"});
        let rig = Rig::start(&format!("old5-{manner:?}"), broker.address(), table).await;
        let view = rig.stands(LinkState::Refused).await;
        assert!(view.reason.unwrap().contains("MQTT 5"));
        rig.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_broker_refuses_by_its_own_word_is_counted_and_does_not_hold_up_the_rest() {
    let broker = Fake::start(Manner::DeniesSome).await;
    let rig = Rig::start("denies", broker.address(), json!({"version": "5"})).await;
    rig.submit("attic", 0, 100).await;
    let view = rig.settled().await;
    assert_eq!(view.acknowledged, 80);
    assert_eq!(view.dropped.iter().collect::<Vec<_>>(), [(&"refused", &20)]);
    assert!(view.reason.unwrap().contains("NotAuthorized"));
    assert_eq!(broker.connects(), 1);
    rig.stop().await;
}
