//! How many publishes a second a client from beyond this machine may send: more wait in its socket.

use std::time::Duration;

use tokio::time::Instant;

/// A client may be ahead of its pace by so much.
const AHEAD: Duration = Duration::from_secs(1);

/// A pace that is kept by reading later, so nothing is lost.
#[derive(Debug, Clone)]
pub(super) struct Pace {
    each: Duration,
    /// When a client that had kept its pace would have sent what it sent.
    due: Instant,
}

impl Pace {
    /// So many a second.
    pub(super) fn new(rate: u32, now: Instant) -> Self {
        Self { each: Duration::from_secs(1) / rate.max(1), due: now }
    }

    /// So many were sent; gives when to read on, where that is not at once.
    pub(super) fn sent(&mut self, count: u32, now: Instant) -> Option<Instant> {
        self.due = self.due.max(now) + self.each * count;
        let on = self.due.checked_sub(AHEAD)?;
        (on > now).then_some(on)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_burst_is_free_and_a_flood_waits() {
        let begin = Instant::now();
        let mut pace = Pace::new(100, begin);
        assert_eq!(pace.sent(100, begin), None);
        assert_eq!(pace.sent(50, begin), Some(begin + Duration::from_millis(500)));
        tokio::time::advance(Duration::from_secs(60)).await;
        assert_eq!(pace.sent(100, Instant::now()), None);
    }
}
