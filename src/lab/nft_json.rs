//! The elements of a set, from the JSON of `nft -j list set`.

use serde_json::Value;

/// One element and its counter.
#[derive(Debug, Clone, PartialEq)]
pub struct Element {
    /// The parts of its key.
    pub key: Vec<Value>,
    /// The packets counted; 0 without a counter.
    pub packets: u64,
}

/// The elements of the sets in a document; empty when it is none.
#[must_use]
pub fn elements(json: &str) -> Vec<Element> {
    let document: Value = serde_json::from_str(json).unwrap_or(Value::Null);
    let sets = document["nftables"].as_array().map_or(&[][..], Vec::as_slice);
    sets.iter()
        .filter_map(|object| object["set"]["elem"].as_array())
        .flatten()
        .map(element)
        .collect()
}

/// `{"elem":{"val":{"concat":[…]},"counter":{"packets":n}}}`, or without the wrappers.
fn element(value: &Value) -> Element {
    let inner = if value["elem"].is_object() { &value["elem"] } else { value };
    let key = if inner["val"].is_null() { inner } else { &inner["val"] };
    let key = match key["concat"].as_array() {
        Some(parts) => parts.clone(),
        None => vec![key.clone()],
    };
    Element { key, packets: inner["counter"]["packets"].as_u64().unwrap_or(0) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn elements_with_and_without_counters() {
        let json = r#"{"nftables":[{"metainfo":{}},{"set":{"name":"s","elem":[
            {"elem":{"val":{"concat":[1,"192.0.2.1",5]},"counter":{"packets":7,"bytes":9}}},
            {"concat":[2,"192.0.2.2",6]}, 9]}}]}"#;
        let all = elements(json);
        assert_eq!(all.len(), 3);
        assert_eq!(all[0].key[1], "192.0.2.1");
        assert_eq!(all[0].packets, 7);
        assert_eq!((all[1].key.len(), all[1].packets), (3, 0));
        assert_eq!(all[2].key, [Value::from(9)]);
        assert!(elements("nothing").is_empty());
        assert!(elements("{}").is_empty());
    }
}
