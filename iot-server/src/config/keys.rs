//! Every key of the configuration, once: its path, how a variable spells its value, and what a
//! change of it while running takes.

use iot_core::domain::SettingKey;

/// How a variable's text becomes a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    /// As it is.
    Text,
    /// Cut at commas.
    List,
    /// A whole number.
    Number,
    /// `true` or `false`.
    Flag,
    /// A text or one that stands for the whole, as `off`; else cut at commas.
    ListOrWord(&'static str),
}

/// A key.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Key {
    /// Its table.
    pub(crate) table: &'static str,
    /// Its name within it.
    pub(crate) name: &'static str,
    /// How a variable spells it.
    pub(crate) form: Form,
    /// The stored setting that it overrides; one that overrides none holds until the next start.
    pub(crate) setting: Option<SettingKey>,
}

const fn fixed(table: &'static str, name: &'static str, form: Form) -> Key {
    Key { table, name, form, setting: None }
}

const fn setting(table: &'static str, name: &'static str, form: Form, key: SettingKey) -> Key {
    Key { table, name, form, setting: Some(key) }
}

/// All keys that stand in a table; lists of tables are in [`LISTS`].
pub(crate) const KEYS: [Key; 27] = [
    fixed("gateway", "id", Form::Text),
    setting("gateway", "name", Form::Text, SettingKey::GatewayName),
    setting("gateway", "time_zone", Form::Text, SettingKey::TimeZone),
    setting("gateway", "language", Form::Text, SettingKey::Language),
    setting("gateway", "log_level", Form::Text, SettingKey::LogLevel),
    fixed("storage", "url", Form::Text),
    fixed("storage", "synchronous", Form::Text),
    fixed("storage", "wear", Form::Text),
    setting("storage", "disk_cap", Form::Text, SettingKey::DiskCap),
    fixed("storage", "backlog_cap", Form::Text),
    setting("storage", "retention_days", Form::Number, SettingKey::RetentionDays),
    fixed("http", "listen", Form::List),
    fixed("http", "hosts", Form::List),
    fixed("http", "origins", Form::List),
    fixed("mqtt", "listen", Form::ListOrWord("off")),
    fixed("mqtt", "plain_beyond_loopback", Form::Flag),
    fixed("mqtt", "listen_tls", Form::List),
    fixed("mqtt", "tls_cert", Form::Text),
    fixed("mqtt", "tls_key", Form::Text),
    fixed("mqtt", "websocket", Form::ListOrWord("off")),
    fixed("mqtt", "local_commands", Form::Flag),
    setting("mqtt", "unknown_devices", Form::Text, SettingKey::UnknownDevices),
    fixed("mqtt", "max_message", Form::Text),
    fixed("mqtt", "max_clients", Form::Number),
    fixed("mqtt", "max_rate", Form::Number),
    fixed("time", "trust", Form::Text),
    fixed("plugins", "process_plugins", Form::Text),
];

/// Lists of tables, which no variable can spell.
pub(crate) const LISTS: [(&str, &str); 2] = [("", "instance"), ("mqtt", "link")];

/// What every variable of this program begins with.
pub(crate) const PREFIX: &str = "IOT_";

/// The configuration file, as `--config`.
pub(crate) const CONFIG: &str = "IOT_CONFIG";
/// The data folder, as `--data`.
pub(crate) const DATA: &str = "IOT_DATA";
/// The plugins folder, as `--plugins`.
pub(crate) const PLUGINS: &str = "IOT_PLUGINS";

/// Variables of the build and of test runs, which the program leaves alone.
pub(crate) const WORKSHOP: [&str; 4] =
    ["IOT_PAGE", "IOT_TEST_TIER", "IOT_FUZZ_SECONDS", "IOT_FUZZ_SEED"];

impl Key {
    /// `http.listen`.
    pub(crate) fn path(&self) -> String {
        format!("{}.{}", self.table, self.name)
    }

    /// `IOT_HTTP__LISTEN`.
    pub(crate) fn variable(&self) -> String {
        format!("{PREFIX}{}__{}", self.table, self.name).to_uppercase()
    }
}
