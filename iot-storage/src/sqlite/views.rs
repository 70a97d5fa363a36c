//! `device_data`: every reading of the live segments as rows, for the plain `sqlite3` shell.
//!
//! It knows only what SQLite 3.40 knows. `CROSS JOIN` and not `JOIN`: else the planner puts sensors
//! outside `json_each` for `WHERE key = …`, and a query of a quarter of a second does not end. A
//! compound SELECT has at most 500 terms: past 400 live segments the view shows the newest, a window
//! on the log whose ledger still counts all of it.

use super::statement::Script;

/// The most segments in the view.
pub(super) const TERMS: usize = 400;

/// Remakes the view over these segments.
pub(super) fn remake(script: &mut Script, segments: &[i64]) {
    if segments.len() > TERMS {
        tracing::warn!(
            segments = segments.len(),
            shown = TERMS,
            "the view device_data shows the newest segments alone; nothing is lost"
        );
    }
    let shown = &segments[segments.len().saturating_sub(TERMS)..];
    let terms: Vec<String> = shown.iter().map(|id| term(*id)).collect();
    script.add("DROP VIEW IF EXISTS device_data");
    script.add(&format!(
        "CREATE VIEW device_data (seq, device_id, key, ts, value, quality, batch_seq, batch_t_max) \
         AS {}",
        terms.join("\nUNION ALL ")
    ));
}

fn term(id: i64) -> String {
    format!(
        "SELECT l.seq_first + j.key, d.device_id, s.key, \
         CASE WHEN l.unsynced THEN coalesce((SELECT (j.value->>'$[3].m[1]') + c.offset \
         FROM correction c WHERE c.boot = j.value->>'$[3].m[0]'), \
         l.t_min + (j.value->>1) * l.t_unit) ELSE l.t_min + (j.value->>1) * l.t_unit END, \
         j.value->>2, coalesce(j.value->>'$[3].q', 'good'), l.seq_first, l.t_max \
         FROM log_{id} l CROSS JOIN json_each(l.body) j \
         CROSS JOIN sensor s ON s.id = j.value->>0 CROSS JOIN device d ON d.id = s.device"
    )
}
