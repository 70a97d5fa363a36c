//! Which readings of the log are settled, and so how far a cursor may move. Pure.
//!
//! Readings are looked at in the order of the log and answered in any: a message covers several that
//! need not be neighbours. The cursor may move as far as nothing before it is still waited for.

use std::collections::VecDeque;

use iot_core::domain::Seq;

/// What became of a reading.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fate {
    /// The other side has it.
    Acknowledged,
    /// It is not for the other side.
    Filtered,
    /// It cannot be brought there.
    Dropped,
}

/// A reading that is waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Waiting(u64);

/// How far a cursor may move, and what the readings on its way became. Those that are neither
/// acknowledged nor filtered were dropped, or had left the log before they were read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Settled {
    /// The last place that is settled.
    pub(crate) seq: Seq,
    /// Readings acknowledged since the last move.
    pub(crate) acknowledged: u64,
    /// Readings passed over since the last move.
    pub(crate) filtered: u64,
}

#[derive(Debug, Clone, Copy)]
struct Place {
    seq: Seq,
    fate: Option<Fate>,
}

/// The readings between a cursor's place and where it has read to.
#[derive(Debug)]
pub(crate) struct Progress {
    /// How many places were taken out of the front.
    gone: u64,
    places: VecDeque<Place>,
    /// Everything up to here was looked at.
    read: Seq,
    settled: Seq,
}

impl Progress {
    /// Nothing looked at after this place, which is settled.
    #[must_use]
    pub(crate) fn after(settled: Seq) -> Self {
        Self { gone: 0, places: VecDeque::new(), read: settled, settled }
    }

    /// A reading that is sent, and waited for.
    pub(crate) fn sent(&mut self, seq: Seq) -> Waiting {
        self.push(seq, None);
        Waiting(self.gone + self.places.len() as u64 - 1)
    }

    /// A reading whose fate is known at once.
    pub(crate) fn passed(&mut self, seq: Seq, fate: Fate) {
        self.push(seq, Some(fate));
    }

    fn push(&mut self, seq: Seq, fate: Option<Fate>) {
        debug_assert!(seq > self.read, "readings are looked at in the order of the log");
        self.read = self.read.max(seq);
        self.places.push_back(Place { seq, fate });
    }

    /// Everything up to this place was looked at; what was not named is not in the log any more.
    pub(crate) fn read_to(&mut self, seq: Seq) {
        self.read = self.read.max(seq);
    }

    /// A reading that was waited for has its fate; the first counts.
    pub(crate) fn answered(&mut self, waiting: Waiting, fate: Fate) {
        let index = waiting.0.checked_sub(self.gone).and_then(|index| usize::try_from(index).ok());
        if let Some(place) = index.and_then(|index| self.places.get_mut(index))
            && place.fate.is_none()
        {
            place.fate = Some(fate);
        }
    }

    /// How far the cursor may move now; none where it stands there already.
    pub(crate) fn settle(&mut self) -> Option<Settled> {
        let mut settled = Settled { seq: self.settled, acknowledged: 0, filtered: 0 };
        while let Some(Place { fate: Some(fate), .. }) = self.places.front() {
            match fate {
                Fate::Acknowledged => settled.acknowledged += 1,
                Fate::Filtered => settled.filtered += 1,
                Fate::Dropped => {}
            }
            self.places.pop_front();
            self.gone += 1;
        }
        settled.seq = match self.places.front() {
            Some(first) => Seq(first.seq.0 - 1),
            None => self.read,
        };
        (settled.seq > self.settled).then(|| {
            self.settled = settled.seq;
            settled
        })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_cursor_stops_before_the_first_that_is_waited_for() {
        let mut progress = Progress::after(Seq(10));
        progress.passed(Seq(11), Fate::Filtered);
        let a = progress.sent(Seq(12));
        let b = progress.sent(Seq(15));
        progress.read_to(Seq(20));
        let to = |seq, acknowledged, filtered| Some(Settled { seq, acknowledged, filtered });
        assert_eq!(progress.settle(), to(Seq(11), 0, 1));
        progress.answered(b, Fate::Acknowledged);
        assert_eq!(progress.settle(), None, "12 is still waited for");
        progress.answered(a, Fate::Acknowledged);
        progress.answered(a, Fate::Dropped);
        assert_eq!(progress.settle(), to(Seq(20), 2, 0));
        assert_eq!(progress.settle(), None);
    }

    #[derive(Debug, Clone)]
    enum Step {
        Send(u64),
        Pass(u64, Fate),
        ReadOn(u64),
        Answer(prop::sample::Index, Fate),
        Settle,
    }

    fn fate() -> impl Strategy<Value = Fate> {
        prop_oneof![Just(Fate::Acknowledged), Just(Fate::Filtered), Just(Fate::Dropped)]
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            4 => (1_u64..4).prop_map(Step::Send),
            2 => (1_u64..4, fate()).prop_map(|(gap, fate)| Step::Pass(gap, fate)),
            1 => (0_u64..9).prop_map(Step::ReadOn),
            4 => (any::<prop::sample::Index>(), fate()).prop_map(|(i, f)| Step::Answer(i, f)),
            2 => Just(Step::Settle),
        ]
    }

    proptest! {
        /// Against a model that keeps every place by its seq and counts from the front anew.
        #[test]
        fn moves_and_counts_are_those_of_a_plain_list(steps in prop::collection::vec(step(), 0..200)) {
            let mut progress = Progress::after(Seq(100));
            let mut model: BTreeMap<u64, Option<Fate>> = BTreeMap::new();
            let (mut read, mut settled) = (100_u64, 100_u64);
            let mut sent: Vec<(Waiting, u64)> = Vec::new();
            let mut sums = (0, 0);
            for step in steps {
                match step {
                    Step::Send(gap) => {
                        read += gap;
                        sent.push((progress.sent(Seq(read)), read));
                        model.insert(read, None);
                    }
                    Step::Pass(gap, fate) => {
                        read += gap;
                        progress.passed(Seq(read), fate);
                        model.insert(read, Some(fate));
                    }
                    Step::ReadOn(gap) => {
                        read += gap;
                        progress.read_to(Seq(read));
                    }
                    Step::Answer(index, fate) => {
                        if sent.is_empty() { continue; }
                        let (waiting, seq) = sent[index.index(sent.len())];
                        progress.answered(waiting, fate);
                        let known = model.get_mut(&seq).unwrap();
                        if known.is_none() { *known = Some(fate); }
                    }
                    Step::Settle => {
                        let open = model.iter().find(|(_, fate)| fate.is_none());
                        let to = open.map_or(read, |(seq, _)| seq - 1);
                        let moved = progress.settle();
                        prop_assert_eq!(moved.is_some(), to > settled);
                        if let Some(moved) = moved {
                            prop_assert_eq!(moved.seq, Seq(to));
                            sums.0 += moved.acknowledged;
                            sums.1 += moved.filtered;
                            settled = to;
                        }
                        let count = |wanted| model.range(..=settled)
                            .filter(|(_, fate)| **fate == Some(wanted)).count() as u64;
                        prop_assert_eq!(sums, (count(Fate::Acknowledged), count(Fate::Filtered)));
                    }
                }
            }
        }
    }
}
