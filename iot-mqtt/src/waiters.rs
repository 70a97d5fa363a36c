//! Commands that were handed to devices which answer by a topic, and wait for that answer.
//!
//! - In: commands handed over; results that devices publish
//! - Out: each result to the command that waits for it
//! - Bound: one entry a command that is not over, of which the gateway bears 256
//! - When full: the gateway refuses the command before it comes here
//! - Counter: `commands_open` of the diagnostics

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use iot_core::domain::{CommandId, DeviceId, Outcome};
use tokio::sync::oneshot;

/// Who waits for which device's answer.
#[derive(Debug, Clone, Default)]
pub(crate) struct Waiters(Arc<Mutex<Waiting>>);

type Waiting = HashMap<CommandId, (DeviceId, oneshot::Sender<Outcome>)>;

/// An answer that is waited for. Dropped, nobody waits for it any more.
#[derive(Debug)]
pub(crate) struct Answer {
    waiters: Waiters,
    id: CommandId,
    answer: oneshot::Receiver<Outcome>,
}

impl Waiters {
    /// Waits for what a device says became of a command.
    pub(crate) fn wait(&self, id: CommandId, device: DeviceId) -> Answer {
        let (tell, answer) = oneshot::channel();
        self.lock().insert(id.clone(), (device, tell));
        Answer { waiters: self.clone(), id, answer }
    }

    /// A device said what became of a command; false where nobody waits for that from it.
    pub(crate) fn answer(&self, id: &CommandId, device: &DeviceId, outcome: Outcome) -> bool {
        let mut waiting = self.lock();
        if waiting.get(id).is_none_or(|(of, _)| of != device) {
            return false;
        }
        let Some((_, tell)) = waiting.remove(id) else { return false };
        drop(waiting);
        tell.send(outcome).is_ok()
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Answer {
    /// The answer. The caller keeps the deadline.
    pub(crate) async fn get(mut self) -> Outcome {
        match (&mut self.answer).await {
            Ok(outcome) => outcome,
            // Another command took its place, which ids that are used once do not let happen.
            Err(_) => Outcome::TimedOut { may_have_run: true },
        }
    }
}

impl Drop for Answer {
    fn drop(&mut self) {
        self.waiters.lock().remove(&self.id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_answer_counts_once_and_from_its_device_alone() {
        let waiters = Waiters::default();
        let id = CommandId::parse("c-1").unwrap();
        let [pump, other] = ["pump", "other"].map(|id| DeviceId::parse(id).unwrap());
        let answer = waiters.wait(id.clone(), pump.clone());
        let done = || Outcome::Done(serde_json::Value::Null);
        assert!(!waiters.answer(&id, &other, done()));
        assert!(waiters.answer(&id, &pump, done()));
        assert!(!waiters.answer(&id, &pump, Outcome::Failed("late".into())));
        assert_eq!(answer.get().await, done());
    }

    #[test]
    fn who_gave_up_is_not_kept() {
        let waiters = Waiters::default();
        let id = CommandId::parse("c-1").unwrap();
        drop(waiters.wait(id, DeviceId::parse("pump").unwrap()));
        assert!(waiters.lock().is_empty());
    }
}
