//! The words of the gateway as types: plain data, parsed once at the edge, trusted inside.

mod command;
mod device;
mod id;
mod instance;
mod principal;
mod reading;
mod sensor;
mod setting;
mod time;

pub use command::{Command, CommandRecord, CommandRequest, CommandState, Outcome};
pub use device::{CommandSpec, Device, DeviceNo, DeviceSpec, DeviceState, Home};
pub use id::{
    CommandId, DeviceId, GatewayId, IdError, InstanceName, KindName, LinkName, SensorId, SensorKey,
    Seq,
};
pub use instance::{InstanceRecord, InstanceState, InstanceStatus, Origin, PluginRecord, State};
pub use principal::{
    Action, AuditEntry, Credential, Denied, Principal, Role, Scope, Target, TokenHash, TokenKind,
    TokenRecord, TokenSecret,
};
pub use reading::{Batch, Point, Quality, Reading, Sample, Value, ValueType};
pub use sensor::{Calibration, Sensor, SensorNo, SensorSpec};
pub use setting::{Language, SettingKey, SettingSource, SettingView, UnknownDevices};
pub use time::{BootId, TimeError, TimeQuality, TimeRange, Timestamp};
