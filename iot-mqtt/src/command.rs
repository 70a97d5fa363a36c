//! Commands and their results as they lie in MQTT payloads: `{"id","name","params","timeout_ms"}`
//! to a device, `{"id","outcome","result"}` or `{"id","outcome","error"}` back. Pure.

use std::time::Duration;

use iot_core::domain::{
    Command, CommandId, CommandRecord, CommandRequest, CommandState, DeviceId, Outcome,
};
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

/// How long a command may take where nobody says; the core's own.
pub(crate) const USUAL: Duration = Duration::from_secs(10);
/// The most that a device's account of a failure may have, in characters.
const LONGEST_ERROR: usize = 1_024;

/// A payload is no command.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{why}")]
pub struct NoCommand {
    /// Its identity, where it had one that fits: its sender can be answered.
    pub id: Option<CommandId>,
    /// What is wrong with it.
    pub why: String,
}

#[derive(Deserialize)]
struct Asked {
    #[serde(default)]
    id: Option<Json>,
    #[serde(default)]
    name: Option<Json>,
    #[serde(default)]
    params: Json,
    #[serde(default)]
    timeout_ms: Option<Json>,
}

/// Reads a command to a device.
///
/// # Errors
/// What is wrong with the payload.
pub fn request(payload: &[u8], device: &DeviceId) -> Result<CommandRequest, NoCommand> {
    let asked: Asked = serde_json::from_slice(payload).map_err(|error| NoCommand {
        id: None,
        why: format!("a command is a JSON object with id and name; {error}"),
    })?;
    let id = match asked.id {
        None | Some(Json::Null) => None,
        Some(Json::String(text)) => Some(
            CommandId::parse(&text)
                .map_err(|error| NoCommand { id: None, why: error.to_string() })?,
        ),
        Some(_) => {
            return Err(NoCommand { id: None, why: "a command's id is a text".to_owned() });
        }
    };
    let no = |why: &str| NoCommand { id: id.clone(), why: why.to_owned() };
    let Some(Json::String(name)) = asked.name else {
        return Err(no("a command has a name, which is a text"));
    };
    let timeout = match asked.timeout_ms {
        None | Some(Json::Null) => None,
        Some(ms) => match ms.as_u64() {
            Some(ms) => Some(Duration::from_millis(ms)),
            None => return Err(no("timeout_ms is a whole number of milliseconds")),
        },
    };
    Ok(CommandRequest { id, device: device.clone(), name, params: asked.params, timeout })
}

#[derive(Serialize)]
struct Handed<'a> {
    id: &'a CommandId,
    name: &'a str,
    params: &'a Json,
    timeout_ms: u64,
}

/// A command as it is published to a device that speaks for itself.
#[must_use]
pub fn handed(command: &Command) -> Vec<u8> {
    json(&Handed {
        id: &command.id,
        name: &command.name,
        params: &command.params,
        timeout_ms: u64::try_from(command.time_left.as_millis()).unwrap_or(u64::MAX),
    })
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Word {
    Done,
    Failed,
    Refused,
    TimedOut,
}

#[derive(Serialize)]
struct Answer<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<&'a CommandId>,
    outcome: Word,
    #[serde(skip_serializing_if = "Option::is_none")]
    result: Option<&'a Json>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<&'a str>,
}

/// The result of a command that is over; none of one that is not.
#[must_use]
pub fn result(record: &CommandRecord) -> Option<Vec<u8>> {
    let outcome = match record.state {
        CommandState::Queued | CommandState::Sent => return None,
        CommandState::Done => Word::Done,
        CommandState::Failed => Word::Failed,
        CommandState::Refused => Word::Refused,
        CommandState::TimedOut => Word::TimedOut,
    };
    let (result, error) = (record.result.as_ref(), record.error.as_deref());
    Some(json(&Answer { id: Some(&record.id), outcome, result, error }))
}

/// The result of a command that was not taken in.
#[must_use]
pub fn refusal(id: Option<&CommandId>, why: &str) -> Vec<u8> {
    json(&Answer { id, outcome: Word::Refused, result: None, error: Some(why) })
}

#[derive(Deserialize)]
struct Answered {
    id: CommandId,
    outcome: Word,
    #[serde(default)]
    result: Json,
    #[serde(default)]
    error: Option<String>,
}

/// Reads what a device says became of a command.
///
/// # Errors
/// What is wrong with the payload.
pub fn outcome(payload: &[u8]) -> Result<(CommandId, Outcome), String> {
    let answered: Answered = serde_json::from_slice(payload)
        .map_err(|error| format!("a result is a JSON object with id and outcome; {error}"))?;
    let error = || -> String {
        let given = answered.error.as_deref().unwrap_or("the device gave no reason");
        given.chars().take(LONGEST_ERROR).collect()
    };
    let outcome = match answered.outcome {
        Word::Done => Outcome::Done(answered.result),
        Word::Failed => Outcome::Failed(error()),
        Word::Refused => Outcome::Refused(error()),
        Word::TimedOut => Outcome::TimedOut { may_have_run: true },
    };
    Ok((answered.id, outcome))
}

/// All of these are texts, numbers and trees with text keys, which JSON can hold.
fn json(value: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(value).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use iot_core::domain::Timestamp;
    use serde_json::json;

    use super::*;

    fn attic() -> DeviceId {
        DeviceId::parse("attic").unwrap()
    }

    #[test]
    fn a_command_is_read_with_its_parts() {
        let payload = br#"{"id":"c-1","name":"set","params":{"on":true},"timeout_ms":5000}"#;
        let request = request(payload, &attic()).unwrap();
        assert_eq!(request.id, Some(CommandId::parse("c-1").unwrap()));
        assert_eq!((request.name.as_str(), request.params), ("set", json!({"on": true})));
        assert_eq!(request.timeout, Some(Duration::from_secs(5)));
    }

    #[test]
    fn id_params_and_timeout_may_be_missing() {
        let request = request(br#"{"name":"ping"}"#, &attic()).unwrap();
        assert_eq!((request.id, request.params, request.timeout), (None, Json::Null, None));
    }

    #[test]
    fn what_is_no_command_is_refused_in_words_and_by_its_id_where_it_has_one() {
        let nested =
            format!(r#"{{"name":"a","params":{}1{}}}"#, "[".repeat(10_000), "]".repeat(10_000));
        let bad: [&[u8]; 8] = [
            b"",
            b"on",
            b"[]",
            b"\xff\xfe",
            br#"{"id":7,"name":"a"}"#,
            br#"{"id":"a b","name":"a"}"#,
            br#"{"name":"a","name":"b"}"#,
            nested.as_bytes(),
        ];
        for payload in bad {
            let refused = request(payload, &attic()).unwrap_err();
            assert_eq!(refused.id, None, "{refused}");
            assert!(!refused.why.is_empty());
        }
        let answered: [&[u8]; 3] = [
            br#"{"id":"x"}"#,
            br#"{"id":"x","name":1}"#,
            br#"{"id":"x","name":"a","timeout_ms":-1}"#,
        ];
        for payload in answered {
            let refused = request(payload, &attic()).unwrap_err();
            assert_eq!(refused.id, Some(CommandId::parse("x").unwrap()), "{refused}");
        }
    }

    #[test]
    fn what_is_handed_to_a_device_is_what_a_gateway_takes() {
        let command = Command {
            id: CommandId::parse("c-1").unwrap(),
            device: attic(),
            name: "set".to_owned(),
            params: json!({"level": 3}),
            time_left: Duration::from_millis(1_500),
        };
        let request = request(&handed(&command), &attic()).unwrap();
        assert_eq!(request.id, Some(command.id));
        assert_eq!((request.name, request.params), (command.name, command.params));
        assert_eq!(request.timeout, Some(command.time_left));
    }

    fn record(outcome: Outcome) -> CommandRecord {
        let queued = CommandRecord {
            id: CommandId::parse("c-1").unwrap(),
            device_id: attic(),
            name: "set".to_owned(),
            params: Json::Null,
            state: CommandState::Queued,
            by: "local".to_owned(),
            created: Timestamp::from_millis(0),
            deadline: Timestamp::from_millis(1),
            result: None,
            error: None,
            may_have_run: false,
        };
        assert_eq!(result(&queued), None, "nobody hears of a command that is not over");
        queued.ended(outcome).unwrap()
    }

    #[test]
    fn each_outcome_comes_through_as_it_was() {
        for given in [
            Outcome::Done(json!({"level": 3})),
            Outcome::Done(Json::Null),
            Outcome::Failed("the valve is stuck".to_owned()),
            Outcome::Refused("the valve is locked".to_owned()),
        ] {
            let payload = result(&record(given.clone())).unwrap();
            assert_eq!(outcome(&payload).unwrap(), (CommandId::parse("c-1").unwrap(), given));
        }
        let late = result(&record(Outcome::TimedOut { may_have_run: true })).unwrap();
        let late: Json = serde_json::from_slice(&late).unwrap();
        assert_eq!((&late["outcome"], late["error"].is_string()), (&json!("timed_out"), true));
        let refused: Json = serde_json::from_slice(&refusal(None, "no such device")).unwrap();
        assert_eq!(refused, json!({"outcome": "refused", "error": "no such device"}));
    }

    #[test]
    fn a_result_without_id_or_with_another_word_is_none() {
        for payload in [&b"{}"[..], br#"{"id":"a","outcome":"maybe"}"#, br#"{"outcome":"done"}"#] {
            assert!(outcome(payload).is_err());
        }
    }
}
