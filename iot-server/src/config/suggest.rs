//! The nearest known name to one that is not known.

use super::keys::{CONFIG, DATA, KEYS, LISTS, PLUGINS};

/// Likeness from which a name is worth suggesting.
const LIKELY: f64 = 0.8;

/// The nearest of `known`, where one is near.
pub(crate) fn nearest<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    known
        .map(|k| (strsim::jaro_winkler(&name.to_lowercase(), &k.to_lowercase()), k))
        .filter(|(likeness, _)| *likeness >= LIKELY)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, k)| k)
}

/// What to say after an unknown key of a file: the nearest beside it, the same name in another
/// table, or all that may stand there.
pub(crate) fn for_key(table: &str, name: &str, beside: &[String]) -> String {
    if let Some(near) = nearest(name, beside.iter().map(String::as_str)) {
        let near = if table.is_empty() { near.to_owned() } else { format!("{table}.{near}") };
        return format!("did you mean {near}?");
    }
    if let Some(key) = KEYS.iter().find(|key| key.name == name) {
        return format!("did you mean {}?", key.path());
    }
    if let Some((parent, list)) = LISTS.iter().find(|(_, list)| *list == name) {
        let dot = if parent.is_empty() { "" } else { "." };
        return format!("did you mean [[{parent}{dot}{list}]]?");
    }
    if beside.is_empty() { String::new() } else { format!("known are {}", beside.join(", ")) }
}

/// What to say after an unknown variable.
pub(crate) fn for_variable(name: &str) -> String {
    let variables: Vec<String> = KEYS
        .iter()
        .map(super::keys::Key::variable)
        .chain([CONFIG, DATA, PLUGINS].map(str::to_owned))
        .collect();
    match nearest(name, variables.iter().map(String::as_str)) {
        Some(near) => format!("did you mean {near}?"),
        None => "a variable is IOT_ and a key's path, as IOT_HTTP__LISTEN".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_is_named_and_what_is_far_is_not() {
        let beside = ["listen", "hosts", "origins"].map(str::to_owned);
        assert_eq!(for_key("http", "listne", &beside), "did you mean http.listen?");
        assert_eq!(for_key("http", "Host", &beside), "did you mean http.hosts?");
        assert_eq!(for_key("http", "time_zone", &beside), "did you mean gateway.time_zone?");
        assert_eq!(for_key("http", "link", &beside), "did you mean [[mqtt.link]]?");
        assert_eq!(for_key("http", "xyz", &beside), "known are listen, hosts, origins");
        assert_eq!(for_variable("IOT_HTTP_LISTEN"), "did you mean IOT_HTTP__LISTEN?");
        assert_eq!(for_variable("IOT_CONFG"), "did you mean IOT_CONFIG?");
    }
}
