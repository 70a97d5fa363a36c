//! Publishes the log from a cursor on, and moves the cursor as it is acknowledged.
//!
//! - In: the committed log, in pages
//! - Out: messages to an [`Outlet`], in the order of the log
//! - Bound: 100 messages that are not acknowledged, 1,000 while catching up, and one page more
//! - When full: it reads no further; the log waits on disk
//! - Counter: `acknowledged`, `dropped{reason}` and the lag of [`Figures`]
//!
//! It outlives the sessions of its outlet: what one session left unanswered is published again in
//! the next, in order, and nothing else is.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::{BoxFuture, FutureExt as _};
use futures_util::stream::{FuturesOrdered, StreamExt as _};
use iot_core::domain::{Seq, Timestamp};
use iot_core::gateway::Handle;
use iot_core::pipeline::cursor::{Begin, Cursor};
use iot_core::port::{CursorName, LogError};
use tokio::sync::watch;
use tokio::time::Instant;

use super::figures::Figures;
use super::message::{Answer, Lost, Outlet};
use super::messages::{self, Rule, Sending};
use super::progress::{Fate, Progress};

/// Readings looked at in one go.
const PAGE: usize = 1_000;
/// Messages that are not acknowledged, at most.
const LIVE: usize = 100;
const CATCHING_UP: usize = 1_000;
/// After so many sessions in a row that brought no answer, messages are sent one by one; after so
/// many, a large one that was alone in the last two is what ends them.
const ALONE: u32 = 1;
const BLAMED: u32 = 3;
/// No broker takes less than this: what is smaller is never blamed.
const LARGE: usize = 16 << 10;
/// How often a reading whose time may be corrected is looked at again, and a log that cannot be
/// read.
const AGAIN: Duration = Duration::from_secs(1);

/// A message that was handed over, and what became of it.
type Answering = BoxFuture<'static, (Sending, Answer)>;

/// The way of the log to one outlet.
pub(crate) struct Publisher {
    gateway: Handle,
    cursor: Cursor,
    end: watch::Receiver<Seq>,
    rule: Rule,
    progress: Progress,
    /// Where the log is read next.
    next: Seq,
    /// Read, and not handed over.
    ready: VecDeque<Sending>,
    /// Handed over, and not answered; when the readings of each were taken.
    answering: FuturesOrdered<Answering>,
    taken_at: VecDeque<Timestamp>,
    /// The log is not to be read before this.
    hold: Option<Instant>,
    /// Sessions that ended without an answer to anything, in a row.
    barren: u32,
    answered: bool,
    /// The log could not be read the last time.
    unreadable: bool,
    catching_up: bool,
    figures: Arc<Figures>,
}

impl std::fmt::Debug for Publisher {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Publisher").field("cursor", &self.cursor).finish_non_exhaustive()
    }
}

impl Publisher {
    /// On the cursor of this name.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub(crate) async fn open(
        gateway: Handle,
        name: CursorName,
        begin: Begin,
        rule: Rule,
        figures: Arc<Figures>,
    ) -> Result<Self, LogError> {
        let cursor = gateway.cursor(name, begin).await?;
        let settled = cursor.place().seq;
        figures.opened(cursor.place());
        Ok(Self {
            end: gateway.progress(),
            gateway,
            rule,
            progress: Progress::after(settled),
            next: settled.plus(1),
            ready: VecDeque::new(),
            answering: FuturesOrdered::new(),
            taken_at: VecDeque::new(),
            unreadable: false,
            barren: 0,
            answered: false,
            hold: None,
            catching_up: false,
            figures,
            cursor,
        })
    }

    /// Publishes until the outlet's session is lost. Cancel-safe. Before it is called again, and
    /// after the session is gone, the window is [recovered](Self::recover).
    pub(crate) async fn run(&mut self, outlet: &impl Outlet) -> Lost {
        loop {
            if self.hand_over(outlet).await.is_err() {
                return Lost;
            }
            let read_again = self.hold;
            tokio::select! {
                biased;
                Some((sending, answer)) = self.answering.next() => {
                    let mut kept = self.take(sending, answer);
                    while kept
                        && let Some(Some((sending, answer))) = self.answering.next().now_or_never()
                    {
                        kept = self.take(sending, answer);
                    }
                    self.settle();
                    if !kept {
                        return Lost;
                    }
                }
                changed = self.end.changed() => {
                    // The gateway is gone: nothing more will come.
                    if changed.is_err() {
                        return Lost;
                    }
                }
                () = tokio::time::sleep_until(read_again.unwrap_or_else(Instant::now)),
                    if read_again.is_some() => self.hold = None,
            }
        }
    }

    /// Reads on so far that it is known how old the oldest reading is that waits.
    pub(crate) async fn look(&mut self) {
        if self.ready.is_empty() && self.answering.is_empty() {
            self.read().await;
        }
        self.settle();
    }

    /// Takes back what a session left unanswered, in order. The session must be gone, so that each
    /// message has its answer.
    pub(crate) async fn recover(&mut self) {
        let mut lost = Vec::new();
        while let Some((sending, answer)) = self.answering.next().await {
            match answer {
                Answer::Lost => lost.push(sending),
                answer => {
                    self.take(sending, answer);
                }
            }
        }
        self.taken_at.clear();
        let barren = !lost.is_empty() && !std::mem::take(&mut self.answered);
        self.barren = if barren { self.barren.saturating_add(1) } else { 0 };
        for sending in lost.into_iter().rev() {
            self.ready.push_front(sending);
        }
        self.blame();
        self.settle();
    }

    /// A broker of 3.1.1 cannot say how much it takes, and ends the connection instead; the same
    /// message would end the next one too, for ever. Sent alone and large, it is known after a while.
    fn blame(&mut self) {
        let large = |sending: &Sending| sending.message.size() > LARGE;
        if self.barren < BLAMED || !self.ready.front().is_some_and(large) {
            return;
        }
        if let Some(sending) = self.ready.pop_front() {
            let size = sending.message.size();
            let why = format!("the connection ends each time that these {size} bytes are sent");
            self.drop_readings(&sending, "too_large", why);
            self.barren = ALONE;
        }
    }

    /// Hands over what there is, as far as the window goes.
    async fn hand_over(&mut self, outlet: &impl Outlet) -> Result<(), Lost> {
        loop {
            let window = match (self.barren >= ALONE, self.catching_up) {
                (true, _) => 1,
                (false, true) => CATCHING_UP,
                (false, false) => LIVE,
            };
            if self.answering.len() >= window {
                return Ok(());
            }
            let Some(sending) = self.ready.front() else {
                if !self.pass_over(outlet) && self.read().await {
                    continue;
                }
                return Ok(());
            };
            let (size, largest) = (sending.message.size(), outlet.largest());
            if size > largest {
                if let Some(sending) = self.ready.pop_front() {
                    let why = format!("a message of {size} bytes: the broker takes {largest}");
                    self.drop_readings(&sending, "too_large", why);
                    self.settle();
                }
                continue;
            }
            // It stays in front until it is handed over: this can be abandoned while it waits.
            let answered = outlet.publish(&sending.message).await?;
            if let Some(sending) = self.ready.pop_front() {
                self.taken_at.push_back(sending.ts);
                let answering = answered.map(move |answer| (sending, answer));
                self.answering.push_back(answering.boxed());
            }
        }
    }

    /// Passes over what nobody would get, without reading it; whether it did.
    fn pass_over(&mut self, outlet: &impl Outlet) -> bool {
        // Taken before it is asked: whoever comes after that gets what is committed after that.
        let end = *self.end.borrow_and_update();
        if outlet.wanted() || !self.answering.is_empty() || self.next > end {
            return false;
        }
        let passed = (end.0 + 1).saturating_sub(self.next.0);
        (self.progress, self.next) = (Progress::after(end), end.plus(1));
        self.cursor.settle(end, 0, passed);
        self.figures.moved(self.cursor.place(), None);
        true
    }

    /// Reads a page, if there is one; whether there may be more to do now.
    async fn read(&mut self) -> bool {
        let end = *self.end.borrow_and_update();
        if self.hold.is_some() {
            return false;
        }
        if self.next > end {
            if self.catching_up && self.answering.len() <= LIVE {
                self.catching_up = false;
                self.figures.catching_up(false);
            }
            return false;
        }
        let page = match self.cursor.read(PAGE).await {
            Ok(page) => page,
            Err(error) => {
                tracing::warn!(%error, cursor = %self.cursor.place().name, "the log is not read");
                self.figures.trouble(Some(error.to_string()));
                self.unreadable = true;
                self.hold = Some(Instant::now() + AGAIN);
                return false;
            }
        };
        if std::mem::take(&mut self.unreadable) {
            self.figures.trouble(None);
        }
        let full = page.readings.len() >= PAGE;
        if full && !self.catching_up {
            self.catching_up = true;
            self.figures.catching_up(true);
        }
        let gateway = &self.gateway;
        let now = gateway.clock();
        let sensor = |no| gateway.sensor_by_no(no);
        let built = messages::build(&page, full, &self.rule, &now, sensor, &mut self.progress);
        self.next = page.next;
        if let Some(resume) = built.resume {
            self.cursor.unread(resume);
            self.next = resume;
        }
        self.hold = built.held.map(|left| Instant::now() + left.min(AGAIN));
        self.ready.extend(built.messages);
        if self.ready.is_empty() {
            self.settle();
        }
        true
    }

    /// Takes an answer; false where the session was lost, and the message goes to the front of what
    /// is to be sent once the others are taken back too.
    fn take(&mut self, sending: Sending, answer: Answer) -> bool {
        if answer != Answer::Lost {
            self.taken_at.pop_front();
            (self.answered, self.barren) = (true, 0);
        }
        match answer {
            Answer::Acknowledged => {
                for waiting in &sending.covers {
                    self.progress.answered(*waiting, Fate::Acknowledged);
                }
            }
            Answer::Refused(why) => {
                let why = format!("{}: {why}", sending.message.topic);
                self.drop_readings(&sending, "refused", why);
            }
            Answer::Lost => {
                let lost = async move { (sending, Answer::Lost) };
                self.answering.push_front(lost.boxed());
                return false;
            }
        }
        true
    }

    fn drop_readings(&mut self, sending: &Sending, reason: &'static str, why: String) {
        tracing::warn!(topic = sending.message.topic, reason, why, "readings are not sent");
        for waiting in &sending.covers {
            self.progress.answered(*waiting, Fate::Dropped);
        }
        self.cursor.give_up(reason, sending.covers.len() as u64);
        self.figures.dropped(reason, sending.covers.len() as u64, why);
    }

    /// Moves the cursor over what is settled.
    fn settle(&mut self) {
        if let Some(settled) = self.progress.settle() {
            self.cursor.settle(settled.seq, settled.acknowledged, settled.filtered);
        }
        let ready = self.ready.front().map(|sending| sending.ts);
        let oldest = self.taken_at.front().copied().or(ready);
        self.figures.moved(self.cursor.place(), oldest);
    }
}

#[cfg(test)]
mod tests;
