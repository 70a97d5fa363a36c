//! The handle: what layers and the embedding program may do with a running gateway.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arc_swap::ArcSwapOption;
use tokio::sync::watch;

use crate::access::TokenAccess;
use crate::domain::{
    Batch, CommandId, CommandRecord, CommandRequest, CommandState, DeviceId, GatewayId, Home,
    InstanceStatus, Principal, Sensor, SensorId, SensorNo, Seq, Timestamp,
};
use crate::ledger::Ledger;
use crate::pipeline::command::{Dispatcher, LONGEST, TIMEOUT};
use crate::pipeline::cursor::{Begin, Cursor};
use crate::pipeline::intake::Intake;
use crate::pipeline::latest::Latest;
use crate::pipeline::presence::Rate;
use crate::pipeline::queue::{Credit, Queue, Sender};
use crate::pipeline::refused::Refused;
use crate::pipeline::{
    CommandError, DeviceView, Position, SensorView, Subscription, Unknown, bus::Bus,
    catalogue::Catalogue,
};
use crate::port::{
    Access, BrokerFigures, Clock, CursorName, History, Links, LogError, PluginHost, Receipt,
    Reckoning, Registry, Store, SubmitError,
};
use crate::registry::hint;
use crate::schema::Checker;

use super::status::{Kinds, Settings};

/// Facts about the gateway as a whole.
#[derive(Debug, Clone, PartialEq)]
pub struct GatewayInfo {
    /// Its identity.
    pub id: GatewayId,
    /// Its name, for people.
    pub name: String,
    /// When it was started.
    pub started: Timestamp,
    /// What it was built from.
    pub build: String,
    /// The zone of calendar buckets when a request names none.
    pub time_zone: String,
    /// The page's language where the browser has no wish.
    pub language: String,
}

/// What a running gateway is made of.
pub(crate) struct Shared {
    pub(crate) id: GatewayId,
    pub(crate) started: Timestamp,
    pub(crate) began: tokio::time::Instant,
    pub(crate) build: String,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) store: Store,
    pub(crate) access: Arc<dyn Access>,
    pub(crate) tokens: Arc<TokenAccess>,
    pub(crate) ledger: Arc<Ledger>,
    pub(crate) refused: Refused,
    pub(crate) queue: Arc<Queue>,
    pub(crate) bus: Arc<Bus>,
    pub(crate) latest: Arc<Latest>,
    pub(crate) catalogue: Arc<Catalogue>,
    pub(crate) intake: Intake,
    pub(crate) dispatcher: Arc<Dispatcher>,
    pub(crate) failing: Arc<ArcSwapOption<LogError>>,
    pub(crate) rate: Arc<Rate>,
    pub(crate) host: Option<Arc<dyn PluginHost>>,
    pub(crate) links: Vec<Arc<dyn Links>>,
    pub(crate) broker: Option<Arc<dyn BrokerFigures>>,
    pub(crate) kinds: Kinds,
    pub(crate) settings: Settings,
    pub(crate) settings_changed: watch::Sender<u64>,
    pub(crate) senders: AtomicU64,
}

impl Shared {
    /// A sender that has not been before.
    pub(crate) fn sender(&self) -> Sender {
        Sender(self.senders.fetch_add(1, Ordering::Relaxed))
    }

    /// Takes a batch in and waits until it is on disk.
    pub(crate) async fn submit(
        &self,
        home: &Home,
        unknown: Unknown,
        batch: Batch,
        mut credit: Credit,
        sender: Sender,
    ) -> Result<Receipt, SubmitError> {
        if let Some(error) = self.failing.load_full() {
            return Err(SubmitError::Store(error.why.clone()));
        }
        let permit = self.queue.credit(batch.len()).await.ok_or(SubmitError::Stopping)?;
        credit.0.push(permit);
        let (receipt, ticket) = self.intake.take(home, unknown, batch, credit, Some(sender));
        match ticket {
            Some(mut ticket) => match ticket.committed().await {
                Ok(()) => Ok(receipt),
                Err(error) => Err(SubmitError::Store(error.why)),
            },
            None => Ok(receipt),
        }
    }
}

/// Whether a command that no schema describes can be one: a short name, parameters by name.
fn fits(name: &str, params: &serde_json::Value) -> bool {
    (1..=80).contains(&name.len()) && !name.contains(char::is_control) && params.is_object()
}

/// A running gateway, for layers and the embedding program. Clones are cheap.
#[derive(Clone)]
pub struct Handle {
    pub(crate) shared: Arc<Shared>,
}

impl fmt::Debug for Handle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Handle").field("id", &self.shared.id).finish_non_exhaustive()
    }
}

impl Handle {
    /// Facts about the gateway as a whole.
    #[must_use]
    pub fn info(&self) -> GatewayInfo {
        use crate::domain::SettingKey;
        GatewayInfo {
            id: self.shared.id.clone(),
            name: self.shared.settings.text(SettingKey::GatewayName),
            started: self.shared.started,
            build: self.shared.build.clone(),
            time_zone: self.shared.settings.text(SettingKey::TimeZone),
            language: self.shared.settings.text(SettingKey::Language),
        }
    }

    /// What the gateway's clock says.
    #[must_use]
    pub fn clock(&self) -> Reckoning {
        self.shared.clock.now()
    }

    /// Who may do what.
    #[must_use]
    pub fn access(&self) -> &Arc<dyn Access> {
        &self.shared.access
    }

    /// Readings by sensor and time.
    #[must_use]
    pub fn history(&self) -> &Arc<dyn History> {
        &self.shared.store.history
    }

    /// What is known beside readings.
    #[must_use]
    pub fn registry(&self) -> &Arc<dyn Registry> {
        &self.shared.store.registry
    }

    /// All devices, by id.
    #[must_use]
    pub fn devices(&self) -> Vec<Arc<DeviceView>> {
        self.shared.catalogue.views()
    }

    /// One device.
    #[must_use]
    pub fn device(&self, id: &DeviceId) -> Option<Arc<DeviceView>> {
        self.shared.catalogue.view(id)
    }

    /// One sensor.
    #[must_use]
    pub fn sensor(&self, id: &SensorId) -> Option<Arc<SensorView>> {
        self.shared.catalogue.sensor_view(id)
    }

    /// Everything that happens from now on.
    #[must_use]
    pub fn subscribe(&self) -> Subscription {
        self.shared.bus.subscribe()
    }

    /// Everything that happened since a position; none where that is not to be had any more.
    #[must_use]
    pub fn resume(&self, since: Position) -> Option<Subscription> {
        self.shared.bus.resume(since)
    }

    /// Takes readings in and waits until they are on disk. Their devices have the home `api`;
    /// unknown devices and sensors come into being.
    ///
    /// # Errors
    /// When they could not be put on disk.
    pub async fn submit(&self, batch: Batch) -> Result<Receipt, SubmitError> {
        let sender = self.shared.sender();
        let unknown = Unknown::Create { kind: "api" };
        self.shared.submit(&Home::Api, unknown, batch, Credit::default(), sender).await
    }

    /// A durable consumer's cursor.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn cursor(&self, name: CursorName, begin: Begin) -> Result<Cursor, LogError> {
        let Shared { store, queue, ledger, .. } = &*self.shared;
        Cursor::open(store.log.clone(), queue.clone(), ledger.clone(), name, begin).await
    }

    /// Tells of each commit that added readings: where the log ends now. What a cursor waits for.
    #[must_use]
    pub fn progress(&self) -> watch::Receiver<Seq> {
        self.shared.ledger.progress()
    }

    /// A sensor by the number that the log gives it, and its device's home now.
    #[must_use]
    pub fn sensor_by_no(&self, no: SensorNo) -> Option<(Arc<Sensor>, Home)> {
        self.shared.catalogue.sensor_by_no(no)
    }

    /// Sends a command. Answers when it is written down; the same id within 24 hours gives the
    /// record on file.
    ///
    /// # Errors
    /// When the device, the command or its parameters are wrong, or it could not be written down.
    pub async fn command(
        &self,
        who: &Principal,
        request: CommandRequest,
    ) -> Result<CommandRecord, CommandError> {
        let CommandRequest { id, device, name, params, timeout } = request;
        let view = self.device(&device).ok_or(CommandError::UnknownDevice(device.clone()))?;
        let timeout = timeout.unwrap_or(TIMEOUT);
        if timeout.is_zero() || timeout > LONGEST {
            return Err(CommandError::Timeout);
        }
        let commands = &view.device.commands;
        let params = if params.is_null() { serde_json::json!({}) } else { params };
        let spec = commands.iter().find(|spec| spec.name == name);
        // A device that announced none and speaks for itself answers for itself.
        let itself = commands.is_empty() && self.shared.dispatcher.takes_any(&view.device.home);
        if spec.is_none() && !(itself && fits(&name, &params)) {
            let hint = if commands.is_empty() {
                "it takes no commands".to_owned()
            } else {
                hint(&name, commands.iter().map(|spec| spec.name.as_str()))
            };
            let name = name.chars().take(80).collect();
            return Err(CommandError::UnknownCommand { device, name, hint });
        }
        match spec.map(|spec| Checker::new(&spec.params)) {
            Some(Ok(checker)) => {
                let errors = checker.errors(&params);
                if !errors.is_empty() {
                    return Err(CommandError::Params(errors));
                }
            }
            Some(Err(error)) => {
                tracing::warn!(%device, command = name, %error, "a command's schema is not one")
            }
            None => {}
        }
        if let Some(error) = self.shared.failing.load_full() {
            return Err(LogError::clone(&error).into());
        }
        let created = self.shared.dispatcher.now();
        let record = CommandRecord {
            id: id.unwrap_or_else(CommandId::fresh),
            device_id: device,
            name,
            params,
            state: CommandState::Queued,
            by: who.name.clone(),
            created,
            deadline: created.plus(timeout),
            result: None,
            error: None,
            may_have_run: false,
        };
        let record = self.shared.dispatcher.request(record, view.device.home.clone()).await?;
        let target = format!("device:{}", record.device_id);
        self.audit(who, "command", &target, "done", Some(format!("{} {}", record.name, record.id)))
            .await;
        Ok(record)
    }

    /// Waits until a command is over; its deadline bounds that. None for one that is not known.
    pub async fn command_over(&self, id: &CommandId) -> Option<CommandRecord> {
        if let Some(mut open) = self.shared.dispatcher.watch(id)
            && let Ok(over) = open.wait_for(|record| record.state.is_over()).await
        {
            return Some(over.clone());
        }
        self.shared.store.registry.command(id).await.ok().flatten()
    }

    /// All instances and where they stand.
    #[must_use]
    pub fn instances(&self) -> Vec<InstanceStatus> {
        self.shared.host.as_ref().map_or_else(Vec::new, |host| {
            let mut all = host.statuses();
            all.sort_by(|a, b| a.record.name.cmp(&b.record.name));
            all
        })
    }
}
