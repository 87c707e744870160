//! Two people edit one product while they cannot see each other; the rules merge what they did.

use madrigal_conflict::{MergeError, Merging, Origin, Rules, Side, merge};
use madrigal_core::{StreamVersion, Timestamp};
use serde_json::json;

fn main() {
    let rules = Rules::parse(
        [
            ("/name", "last writer"),
            ("/description", "three-way"),
            ("/tags", "set union"),
            ("/stock", "sum of deltas"),
            ("/price", "ask a person"),
        ],
        None,
    );
    let rules = match rules {
        Ok(rules) => rules,
        Err(error) => return report(&error.to_string()),
    };
    let base = json!({"name": "Tea", "description": "A tea from the north of Italy.", "tags": ["tea"], "stock": 10, "price": 500});
    let shop = json!({"name": "Green tea", "description": "A tea from the south of Italy.", "tags": ["tea", "green"], "stock": 7, "price": 500});
    let truck = json!({"name": "Fine tea", "description": "Hand-picked! A tea from the north of Italy.", "tags": ["tea", "fine"], "stock": 30, "price": 500});
    let at_the_shop =
        Origin { version: Some(StreamVersion(4)), at: Timestamp::from_micros(1_000_000), by: Some("shop".into()) };
    let on_the_road = Origin { version: None, at: Timestamp::from_micros(2_000_000), by: Some("truck".into()) };
    let merging = Merging {
        base: &base,
        current: Side { document: &shop, origin: &at_the_shop },
        proposed: Side { document: &truck, origin: &on_the_road },
        named: &[],
    };
    match merge(&rules, merging) {
        Ok(merged) => {
            report(&merged.document.to_string());
            for loser in merged.losers {
                report(&format!(
                    "{} ({}): {:?} did not stand",
                    loser.field,
                    loser.rule,
                    loser.value().map(ToString::to_string)
                ));
            }
        }
        Err(error) => report(&error.to_string()),
    }
    let dearer = json!({"price": 600});
    let cheaper = json!({"price": 400});
    let merging = Merging {
        base: &json!({"price": 500}),
        current: Side { document: &dearer, origin: &at_the_shop },
        proposed: Side { document: &cheaper, origin: &on_the_road },
        named: &[],
    };
    if let Err(MergeError::Conflicts(conflicts)) = merge(&rules, merging) {
        report(&format!("{}: a person decides", conflicts[0].field));
    }
}

#[expect(clippy::print_stdout, reason = "an example says what it did")]
fn report(line: &str) {
    println!("{line}");
}
