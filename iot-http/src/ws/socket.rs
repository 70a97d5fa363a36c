//! One task a socket: it hears the client, follows the bus, and ends with the layer.
//!
//! - In: the live bus, the client's messages, outcomes of its commands
//! - Out: the socket
//! - Bound: none of its own: it stands on the bus's ring, and holds what leaves in one flush
//! - When full: the bus tells it how many readings it missed; it sends `lagged` and the latest values,
//!   and goes on from the present, for a slow client that is shown the past never sees the present
//! - Counter: `iot_websocket_lagged`

use std::sync::atomic::Ordering;
use std::time::Duration;

use axum::extract::ws::{Utf8Bytes, WebSocket};
use futures_util::StreamExt as _;
use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;
use iot_core::domain::{
    Action, CommandRequest, Credential, Principal, Target, Timestamp, TokenSecret,
};
use iot_core::pipeline::{Live, Position, Received, Subscription};
use tokio::time::Instant;

use super::message::{self, Said};
use super::snapshot;
use super::subscription::{Wish, Wishes};
use super::wire::{End, Wire};
use crate::problem::{Kind, Problem};
use crate::serve::{Progress, Seat};
use crate::state::App;

/// How long a client has to sign in.
const SIGN_IN: Duration = Duration::from_secs(5);
/// How often it is asked whether the credential still opens.
const ASK_AGAIN: Duration = Duration::from_secs(5);
/// Things from the bus that leave in one flush, and their bytes.
const TOGETHER: usize = 64;
const BYTES: usize = 64 << 10;
/// Commands of one socket that are not over.
const COMMANDS: usize = 16;

/// Serves a socket until it ends.
pub(super) async fn run(
    app: App,
    socket: WebSocket,
    signed_in: Option<(Principal, Credential)>,
    progress: Progress,
    _seat: Seat,
) {
    app.counters.sockets.fetch_add(1, Ordering::Relaxed);
    let mut wire = Wire::new(socket, progress);
    let served = async {
        match sign_in(&app, &mut wire, signed_in).await {
            Ok((who, credential)) => Socket::new(app.clone(), who, credential).run(&mut wire).await,
            Err(end) => end,
        }
    };
    // Whatever it waits for, a client that does not read above all, the layer's end ends it.
    let end = app.closing.run_until_cancelled(served).await.unwrap_or(End::Closing);
    if end == End::Unread {
        app.counters.stuck.fetch_add(1, Ordering::Relaxed);
    }
    wire.close(end).await;
    app.counters.sockets.fetch_sub(1, Ordering::Relaxed);
}

/// Who asks: known from the handshake, or from the first message.
async fn sign_in(
    app: &App,
    wire: &mut Wire,
    known: Option<(Principal, Credential)>,
) -> Result<(Principal, Credential), End> {
    if let Some(known) = known {
        return Ok(known);
    }
    let heard = tokio::time::timeout(SIGN_IN, wire.hear()).await;
    let text = heard.map_err(|_| End::NoAuth)??;
    let Ok(Said::Auth { token }) = Said::read(&text) else { return Err(End::BadAuth) };
    let credential = Credential::Secret(TokenSecret::given(&token));
    match app.gateway.access().authenticate(&credential).await {
        Ok(who) => Ok((who, credential)),
        Err(_) => {
            app.counters.problem(Kind::Unauthenticated);
            Err(End::BadAuth)
        }
    }
}

struct Socket {
    app: App,
    who: Principal,
    credential: Credential,
    wishes: Wishes,
    /// The place on the bus; none before the first subscription.
    live: Option<Subscription>,
    /// When the socket had last put everything on the wire that was there.
    in_step: Timestamp,
    commands: FuturesUnordered<BoxFuture<'static, Utf8Bytes>>,
}

/// The next thing on the bus, where the socket follows it.
async fn next(live: &mut Option<Subscription>) -> Option<Received> {
    match live {
        Some(live) => live.next().await,
        None => std::future::pending().await,
    }
}

impl Socket {
    fn new(app: App, who: Principal, credential: Credential) -> Self {
        Self {
            wishes: Wishes::new(&who),
            in_step: app.gateway.clock().wall,
            app,
            who,
            credential,
            live: None,
            commands: FuturesUnordered::new(),
        }
    }

    async fn run(mut self, wire: &mut Wire) -> End {
        let mut asked = Instant::now();
        loop {
            let tick = wire.next_tick();
            let done = tokio::select! {
                received = next(&mut self.live) => match received {
                    Some(received) => self.forward(wire, received).await,
                    None => Err(End::Closing),
                },
                heard = wire.hear() => match heard {
                    Ok(text) => self.obey(wire, &text).await,
                    Err(end) => Err(end),
                },
                Some(outcome) = self.commands.next() => wire.send([outcome]).await,
                () = tokio::time::sleep_until(tick) => wire.tick().await,
            };
            if let Err(end) = done {
                return end;
            }
            if asked.elapsed() >= ASK_AGAIN {
                asked = Instant::now();
                if self.app.gateway.access().authenticate(&self.credential).await.is_err() {
                    return End::BadAuth;
                }
            }
        }
    }

    /// Passes on what is there, up to a number of things in one flush.
    async fn forward(&mut self, wire: &mut Wire, first: Received) -> Result<(), End> {
        let mut texts = Vec::new();
        let mut received = Some(first);
        while let Some(one) = received.take() {
            match one {
                Received::Batch(batch) => texts.extend(translated(&self.app, &self.wishes, &batch)),
                Received::Lagged { missed } => texts.extend(self.skip(missed)),
            }
            let bytes: usize = texts.iter().map(|text| text.len()).sum();
            if texts.len() >= TOGETHER || bytes >= BYTES {
                break;
            }
            // Looked at before, so that what comes meanwhile counts as missed rather than as sent.
            let now = self.app.gateway.clock().wall;
            received = self.live.as_mut().and_then(Subscription::try_next);
            if received.is_none() {
                self.in_step = now;
            }
        }
        if texts.is_empty() { Ok(()) } else { wire.send(texts).await }
    }

    /// Leaves out what the socket was too slow for: how much that was, and what is true now.
    fn skip(&mut self, mut missed: u64) -> Vec<Utf8Bytes> {
        self.app.counters.lagged.fetch_add(1, Ordering::Relaxed);
        let now = self.app.gateway.clock().wall;
        let present = self.app.gateway.subscribe();
        let at = present.position();
        if let Some(mut left) = self.live.replace(present) {
            while left.position() != at {
                match left.try_next() {
                    Some(Received::Batch(batch)) => {
                        if let Live::Readings(readings) = &batch.live {
                            missed += readings.len() as u64;
                        }
                    }
                    Some(Received::Lagged { missed: more }) => missed += more,
                    None => break,
                }
            }
        }
        let latest = snapshot::missed(&self.app, &self.wishes, self.in_step, at);
        self.in_step = now;
        [message::lagged(missed)].into_iter().chain(latest).collect()
    }

    /// Does what the client says.
    async fn obey(&mut self, wire: &mut Wire, text: &str) -> Result<(), End> {
        let said = match Said::read(text) {
            Ok(said) => said,
            Err((id, problem)) => return self.refuse(wire, id, &problem).await,
        };
        match said {
            Said::Ping => wire.send([message::pong()]).await,
            Said::Unsubscribe { id } => {
                self.wishes.remove(id);
                if self.wishes.is_empty() {
                    self.live = None;
                }
                Ok(())
            }
            Said::Auth { .. } => {
                let problem = Problem::new(Kind::Conflict, "this socket is signed in already");
                self.refuse(wire, None, &problem).await
            }
            Said::Subscribe { id, devices, sensors, since, readings } => {
                let wish = Wish::read(id, &devices, &sensors, readings);
                match self.subscribe(wire, id, wish, since.as_deref()).await? {
                    Ok(()) => Ok(()),
                    Err(problem) => self.refuse(wire, Some(id), &problem).await,
                }
            }
            Said::Command { id, command_id, device_id, name, params, timeout_ms } => {
                let request = CommandRequest {
                    id: command_id,
                    device: device_id,
                    name,
                    params,
                    timeout: timeout_ms.map(Duration::from_millis),
                };
                match self.command(id, request).await {
                    Ok(()) => Ok(()),
                    Err(problem) => self.refuse(wire, Some(id), &problem).await,
                }
            }
        }
    }

    async fn refuse(&mut self, wire: &mut Wire, id: Option<u64>, why: &Problem) -> Result<(), End> {
        self.app.counters.problem(why.kind);
        wire.send([message::error(id, why)]).await
    }

    /// Adds a subscription: with what was missed since a position that is still to be had, else with
    /// everything as it is now.
    async fn subscribe(
        &mut self,
        wire: &mut Wire,
        id: u64,
        wish: Result<Wish, Problem>,
        since: Option<&str>,
    ) -> Result<Result<(), Problem>, End> {
        let wish = match wish {
            Ok(wish) => wish,
            Err(problem) => return Ok(Err(problem)),
        };
        // Those that are there already get what stands before the place where this one begins.
        while let Some(received) = self.live.as_mut().and_then(Subscription::try_next) {
            self.forward(wire, received).await?;
        }
        let alone = self.wishes.alone(wish.clone());
        if let Err(problem) = self.wishes.add(&self.app, &self.who, wish).await {
            return Ok(Err(problem));
        }
        let resumed = since.and_then(Position::parse).and_then(|at| self.app.gateway.resume(at));
        let Some(resumed) = resumed else {
            let live = self.live.get_or_insert_with(|| self.app.gateway.subscribe());
            let text = snapshot::whole(&self.app, &alone, id, live.position());
            return wire.send([text]).await.map(Ok);
        };
        wire.send([message::resumed(id)]).await?;
        match &self.live {
            // The first one: the socket itself goes on from there.
            None => self.live = Some(resumed),
            Some(live) => {
                let until = live.position();
                self.catch_up(wire, &alone, resumed, until).await?;
            }
        }
        Ok(Ok(()))
    }

    /// Gives one subscription what it missed, up to where the socket stands.
    async fn catch_up(
        &mut self,
        wire: &mut Wire,
        alone: &Wishes,
        mut resumed: Subscription,
        until: Position,
    ) -> Result<(), End> {
        while resumed.position() != until {
            match resumed.try_next() {
                Some(Received::Batch(batch)) => {
                    if let Some(text) = translated(&self.app, alone, &batch) {
                        wire.send([text]).await?;
                    }
                }
                Some(Received::Lagged { missed }) => {
                    let latest = snapshot::missed(&self.app, alone, Timestamp::MIN, until);
                    wire.send([message::lagged(missed)].into_iter().chain(latest)).await?;
                }
                None => return Ok(()),
            }
        }
        Ok(())
    }

    /// Sends a command; its outcome follows when it is over.
    async fn command(&mut self, id: u64, request: CommandRequest) -> Result<(), Problem> {
        self.app.allow(&self.who, Action::Command, Target::Device(&request.device)).await?;
        if self.commands.len() >= COMMANDS {
            let detail = "16 commands of this socket are not over; wait for one of them";
            return Err(Problem::new(Kind::TooMany, detail));
        }
        let record = self.app.gateway.command(&self.who, request).await?;
        let gateway = self.app.gateway.clone();
        self.commands.push(Box::pin(async move {
            let over = gateway.command_over(&record.id).await;
            message::outcome(id, over.as_ref().unwrap_or(&record))
        }));
        Ok(())
    }
}

/// A batch as a socket is to hear it; none where nothing of it is wanted.
fn translated(
    app: &App,
    wishes: &Wishes,
    batch: &iot_core::pipeline::LiveBatch,
) -> Option<Utf8Bytes> {
    match &batch.live {
        Live::Readings(_) if wishes.is_everything() => Some(app.rendered.of(batch)),
        Live::Readings(readings) => {
            let mut wanted = readings.iter().filter(|r| wishes.wants_reading(r)).peekable();
            wanted.peek()?;
            Some(message::readings(batch.at, wanted))
        }
        Live::Device(view) => wishes.wants_device(&view.device.id).then(|| app.rendered.of(batch)),
        Live::Gone(id) => wishes.wants_device(id).then(|| app.rendered.of(batch)),
    }
}
