//! The demo shop: small, deterministic, filled through the public API like any other.

use std::time::Duration;

use anyhow::{anyhow, bail};
use madrigal_core::Host;
use madrigal_http::{Role, TokenSigner};
use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::client::Shop;
use crate::config::Config;
use crate::data_dir::DataDir;

/// The password of the demo's customers: for everybody to know.
pub const PASSWORD: &str = "sing-along-2026";
/// The user name of the first customer.
pub const LOGIN: &str = "clara";

struct Product {
    id: &'static str,
    name: &'static str,
    description: &'static str,
    category: (&'static str, &'static str),
    brand: &'static str,
    cents: i64,
    discount: u16,
    stock: i64,
}

const fn product(
    id: &'static str,
    name: &'static str,
    description: &'static str,
    category: (&'static str, &'static str),
    brand: &'static str,
    cents: i64,
    (discount, stock): (u16, i64),
) -> Product {
    Product { id, name, description, category, brand, cents, discount, stock }
}

const INSTRUMENTS: (&str, &str) = ("instruments", "Instruments");
const SHEETS: (&str, &str) = ("sheet-music", "Sheet music");
const STAGE: (&str, &str) = ("stage", "Stage");

const PRODUCTS: &[Product] = &[
    product(
        "lute",
        "Renaissance lute",
        "Eight courses, spruce top, gut frets",
        INSTRUMENTS,
        "Liuteria Rossi",
        129_900,
        (0, 12),
    ),
    product(
        "recorder",
        "Alto recorder",
        "Pear wood, baroque fingering, with case",
        INSTRUMENTS,
        "Moeck",
        18_900,
        (500, 40),
    ),
    product(
        "viola",
        "Viola da gamba",
        "Seven strings, after a model of 1690",
        INSTRUMENTS,
        "Liuteria Rossi",
        349_000,
        (0, 3),
    ),
    product("tambourine", "Tambourine", "Goat skin, ten pairs of brass jingles", INSTRUMENTS, "Remo", 4_590, (0, 80)),
    product(
        "gesualdo",
        "Gesualdo: Book VI",
        "Madrigals for five voices, scholarly edition",
        SHEETS,
        "Harmonia",
        3_450,
        (1_000, 200),
    ),
    product(
        "monteverdi",
        "Monteverdi: Book IV",
        "Madrigals for five voices, with parts",
        SHEETS,
        "Harmonia",
        3_950,
        (0, 200),
    ),
    product(
        "weelkes",
        "Weelkes: Ballets and Madrigals",
        "For five voices, with fa-las",
        SHEETS,
        "Stainer",
        2_200,
        (0, 150),
    ),
    product("strings", "Gut strings, set", "For lute, eight courses", INSTRUMENTS, "Toro", 6_800, (0, 60)),
    product("stand", "Music stand", "Folds flat, holds five scores", STAGE, "Manhasset", 5_900, (0, 90)),
    product("candle", "Concert candle", "Beeswax, burns four hours, does not drip", STAGE, "Cera", 1_250, (0, 500)),
    product("pitch-pipe", "Pitch pipe", "Chromatic, A = 415 Hz", STAGE, "Kratt", 2_190, (0, 75)),
    product(
        "last-ticket",
        "Ticket for tonight",
        "The last one: try to sell it twice",
        STAGE,
        "Madrigal",
        4_200,
        (0, 1),
    ),
];

const CUSTOMERS: &[(&str, &str, &str)] =
    &[("clara", "Clara", "Merula"), ("orlando", "Orlando", "Lasso"), ("barbara", "Barbara", "Strozzi")];

/// An operator's token for the demo, for a day.
///
/// # Errors
/// Where the signing key cannot be read.
pub fn token(data: &DataDir) -> anyhow::Result<String> {
    let host = Host::system();
    let signer = TokenSigner::load_or_create(&data.signing_key(), &host).map_err(|fault| anyhow!(fault.chain()))?;
    Ok(signer.issue(&host, "demo", Role::Operator, Duration::from_secs(24 * 60 * 60)).0)
}

/// Fills the shop; what is there already stays as it is.
///
/// # Errors
/// Where the shop refuses something else than what it has.
pub async fn fill(shop: &Shop) -> anyhow::Result<()> {
    for product in PRODUCTS {
        let (id, name) = product.category;
        let body = json!({
            "productId": product.id, "name": product.name, "description": product.description,
            "category": [{ "id": id, "name": name, "path": id }],
            "price": { "amount": product.cents, "currency": "EUR", "discount": product.discount },
            "attributes": [], "tags": ["demo"], "brand": product.brand, "status": "active", "initialStock": product.stock,
        });
        add(shop, "/v1/products", &body).await?;
    }
    for (username, first, last) in CUSTOMERS {
        let body = json!({
            "email": format!("{username}@madrigal.example"), "username": username, "password": PASSWORD,
            "profile": { "firstName": first, "lastName": last },
        });
        add(shop, "/v1/users", &body).await?;
    }
    Ok(())
}

async fn add(shop: &Shop, path: &str, body: &Value) -> anyhow::Result<()> {
    let answer = shop.post(path, body).await?;
    if answer.status.is_success() || answer.status == StatusCode::CONFLICT {
        return Ok(());
    }
    bail!("{path}: {}", answer.problem())
}

/// What a person may want to do now.
pub fn hints(url: &str, config: &Config, token: &str) -> String {
    let data = config.data.display();
    format!(
        "\nThe demo shop is open.\n\
         \n  Page         {url}/\
         \n  API          {url}/docs\
         \n  Customer     {LOGIN} (password {PASSWORD})\
         \n  Operator     {token}\n\
         \nTry, in another terminal:\n\
         \n  madrigal --data {data} --url {url} order place --user 1 --item lute --item candle=4\
         \n  madrigal --data {data} --url {url} order place --user 2 --item last-ticket=2\
         \n  madrigal --data {data} --url {url} events tail\n"
    )
}
