//! Lists: `limit`, an opaque `cursor`, and `{"items":[…],"next":…}`. A cursor names the last item
//! that was given, so what is inserted meanwhile moves nothing.

use serde::Serialize;

use crate::problem::Problem;

const MOST: usize = 1_000;
const USUAL: usize = 100;

/// A page of a list.
#[derive(Debug, Serialize)]
pub(crate) struct Page<T> {
    pub(crate) items: Vec<T>,
    pub(crate) next: Option<String>,
}

/// How many items a page may hold.
pub(crate) fn limit(asked: Option<usize>) -> Result<usize, Problem> {
    match asked.unwrap_or(USUAL) {
        limit @ 1..=MOST => Ok(limit),
        _ => Err(Problem::parameter("limit", "must lie between 1 and 1000")),
    }
}

/// A cursor that stands after an item.
pub(crate) fn after(key: &str) -> String {
    key.bytes().fold(String::with_capacity(key.len() * 2), |mut text, byte| {
        text.push_str(&format!("{byte:02x}"));
        text
    })
}

/// What a cursor stands after.
pub(crate) fn key(cursor: Option<&str>) -> Result<Option<String>, Problem> {
    let Some(text) = cursor else { return Ok(None) };
    let wrong = || Problem::parameter("cursor", "is not one that a list gave");
    let digits = text.as_bytes();
    if digits.is_empty() || digits.len() > 400 || digits.len() % 2 == 1 {
        return Err(wrong());
    }
    let digit = |byte: u8| (byte as char).to_digit(16).and_then(|n| u8::try_from(n).ok());
    let bytes: Option<Vec<u8>> =
        digits.chunks(2).map(|pair| Some(digit(pair[0])? * 16 + digit(pair[1])?)).collect();
    bytes.and_then(|bytes| String::from_utf8(bytes).ok()).map(Some).ok_or_else(wrong)
}

/// A cursor that stands after a number.
pub(crate) fn number(cursor: Option<&str>) -> Result<Option<i64>, Problem> {
    let wrong = |_| Problem::parameter("cursor", "is not one that a list gave");
    key(cursor)?.map(|text| text.parse().map_err(wrong)).transpose()
}

/// Cuts a page out of items that ascend by their keys.
pub(crate) fn cut<T>(
    items: impl Iterator<Item = T>,
    cursor: Option<&str>,
    limit: usize,
    key_of: impl Fn(&T) -> String,
) -> Result<Page<T>, Problem> {
    let from = key(cursor)?;
    let mut items = items.filter(|item| from.as_ref().is_none_or(|from| key_of(item) > *from));
    let page: Vec<T> = items.by_ref().take(limit).collect();
    let more = items.next().is_some();
    let next = page.last().filter(|_| more).map(|last| after(&key_of(last)));
    Ok(Page { items: page, next })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_walk_during_inserts_gives_each_old_item_once() {
        let mut all: Vec<String> = (0..50).map(|n| format!("d{n:03}")).collect();
        let old = all.clone();
        let (mut seen, mut cursor) = (Vec::new(), None);
        loop {
            let page = cut(all.clone().into_iter(), cursor.as_deref(), 7, String::clone).unwrap();
            seen.extend(page.items);
            let Some(next) = page.next else { break };
            cursor = Some(next);
            all.push(format!("d{:03}x", seen.len() - 2));
            all.push(format!("d{:03}x", seen.len() + 2));
            all.sort();
        }
        assert_eq!(seen.iter().filter(|id| old.contains(id)).count(), old.len());
    }

    #[test]
    fn a_cursor_that_nobody_gave_is_refused() {
        for bad in ["", "x", "zz", "é", "abc", "ff"] {
            assert!(key(Some(bad)).is_err(), "{bad:?}");
        }
        assert_eq!(key(Some(&after("a.t"))).unwrap().as_deref(), Some("a.t"));
        assert_eq!(number(Some(&after("17"))).unwrap(), Some(17));
    }
}
