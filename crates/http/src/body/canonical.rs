//! The fingerprint of a body: the same for the same contents, however they were written.

use madrigal_core::Fingerprint;
use serde_json::Value;

/// The SHA-256 of the canonical form: members sorted by name, no spaces.
///
/// # Source
/// After RFC 8785 (JSON Canonicalization Scheme), except that numbers stay as `serde_json` writes them.
pub(crate) fn fingerprint(value: &Value) -> Fingerprint {
    let mut bytes = Vec::with_capacity(512);
    write(value, &mut bytes);
    Fingerprint::of(&bytes)
}

fn write(value: &Value, out: &mut Vec<u8>) {
    match value {
        Value::Object(members) => {
            let mut sorted: Vec<(&String, &Value)> = members.iter().collect();
            // Sorted already unless some dependency switches on serde_json's `preserve_order`.
            sorted.sort_unstable_by_key(|(name, _)| *name);
            out.push(b'{');
            for (index, (name, member)) in sorted.into_iter().enumerate() {
                if index > 0 {
                    out.push(b',');
                }
                text(name, out);
                out.push(b':');
                write(member, out);
            }
            out.push(b'}');
        }
        Value::Array(elements) => {
            out.push(b'[');
            for (index, element) in elements.iter().enumerate() {
                if index > 0 {
                    out.push(b',');
                }
                write(element, out);
            }
            out.push(b']');
        }
        Value::String(string) => text(string, out),
        // Writing a number, a truth value or null to memory cannot fail.
        scalar => _ = serde_json::to_writer(out, scalar),
    }
}

fn text(text: &str, out: &mut Vec<u8>) {
    // Writing a text to memory cannot fail.
    let _ = serde_json::to_writer(out, text);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_order_of_members_and_spaces_do_not_count_and_everything_else_does() {
        let of = |text: &str| fingerprint(&serde_json::from_str(text).unwrap());
        assert_eq!(of(r#"{"a":1,"b":[{"d":"x","c":null}]}"#), of(r#" { "b" : [ {"c":null,"d":"x"} ], "a":1 }"#));
        assert_ne!(of(r#"{"a":1}"#), of(r#"{"a":"1"}"#));
        assert_ne!(of(r#"{"a":[1,2]}"#), of(r#"{"a":[2,1]}"#));
        assert_ne!(of(r#"{"a":"b\",\"c"}"#), of(r#"{"a":"b","c":1}"#));
    }
}
