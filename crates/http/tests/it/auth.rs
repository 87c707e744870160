//! Tokens and callers.

use std::sync::Arc;
use std::time::Duration;

use axum::http::{Method, StatusCode};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use madrigal_core::{Host, Timestamp};
use madrigal_http::auth::{Claims, PublicKey, Role, TokenError, TokenSigner, TokenVerifier};
use serde_json::json;

use crate::shop::{Shop, assert_problem};

const HOUR: Duration = Duration::from_secs(3_600);

fn claims(now: Timestamp) -> Claims {
    Claims {
        sub: "42".into(),
        role: Role::Customer,
        iat: now.as_seconds(),
        exp: now.as_seconds() + 60,
        jti: "j".into(),
    }
}

/// A token with other parts, signed by nobody.
fn forged(header: &serde_json::Value, claims: &Claims, signature: &[u8]) -> String {
    let part = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
    format!(
        "{}.{}.{}",
        part(header.to_string().as_bytes()),
        part(&serde_json::to_vec(claims).unwrap()),
        part(signature)
    )
}

#[test]
fn a_customer_s_token_names_a_user_in_the_one_way_that_ids_are_written() {
    let host = Host::seeded(1);
    let signer = TokenSigner::generate(&host);
    let verify = |sub: &str, role| signer.verifier().verify(&signer.issue(&host, sub, role, HOUR).0, host.now());
    assert!(verify("42", Role::Customer).is_ok() && verify("anna", Role::Operator).is_ok());
    for sub in ["anna", "", "042", "+42", " 42", "4.2", "99999999999999999999"] {
        assert_eq!(verify(sub, Role::Customer), Err(TokenError::Malformed), "{sub:?}");
    }
}

#[test]
fn only_tokens_of_a_known_key_that_are_in_time_count() {
    let host = Host::seeded(1);
    let (signer, other) = (TokenSigner::generate(&host), TokenSigner::generate(&host));
    let verifier = signer.verifier();
    let now = host.now();
    let (good, exp) = signer.issue(&host, "42", Role::Customer, HOUR);
    let verify = |token: &str| verifier.verify(token, now);

    assert_eq!(verify(&good).unwrap().sub, "42");
    assert_eq!(verify(&good).unwrap().role, Role::Customer);
    assert_eq!(verifier.verify(&good, exp.minus(Duration::from_micros(1))).unwrap().exp, exp.as_seconds());
    assert_eq!(verifier.verify(&good, exp), Err(TokenError::Expired));
    assert_eq!(verifier.verify(&good, exp.plus(HOUR)), Err(TokenError::Expired));

    let (unknown, _) = other.issue(&host, "42", Role::Operator, HOUR);
    assert_eq!(verify(&unknown), Err(TokenError::UnknownKey));

    let kid = signer.public().kid().to_owned();
    let honest = json!({"alg": "EdDSA", "typ": "JWT", "kid": kid});
    let own_signature = URL_SAFE_NO_PAD.decode(good.rsplit('.').next().unwrap()).unwrap();
    let operator = Claims { role: Role::Operator, ..claims(now) };
    assert_eq!(verify(&forged(&honest, &operator, &own_signature)), Err(TokenError::Signature), "other contents");
    assert_eq!(verify(&forged(&honest, &operator, &[0; 64])), Err(TokenError::Signature));
    assert_eq!(verify(&forged(&honest, &operator, b"")), Err(TokenError::Signature));
    for alg in ["none", "None", "HS256", "ES256", "eddsa", ""] {
        let header = json!({"alg": alg, "typ": "JWT", "kid": kid});
        assert_eq!(verify(&forged(&header, &operator, b"")), Err(TokenError::Algorithm), "{alg}");
    }
    let critical = json!({"alg": "EdDSA", "kid": kid, "crit": ["exp"]});
    assert_eq!(verify(&forged(&critical, &operator, &own_signature)), Err(TokenError::Malformed));
    assert_eq!(verify(&forged(&json!({"alg": "EdDSA"}), &operator, &own_signature)), Err(TokenError::Malformed));

    let future = Claims { iat: now.as_seconds() + 61, exp: now.as_seconds() + 600, ..claims(now) };
    assert_eq!(verify(&signer.sign(&future)), Err(TokenError::NotYetValid));
    let barely = Claims { iat: now.as_seconds() + 60, exp: now.as_seconds() + 600, ..claims(now) };
    assert!(verify(&signer.sign(&barely)).is_ok());
    let past = Claims { iat: now.as_seconds() - 60, exp: now.as_seconds(), ..claims(now) };
    assert_eq!(verify(&signer.sign(&past)), Err(TokenError::Expired));
}

/// The confusion of algorithms: the public key, which everybody knows, used as the secret of an HMAC.
#[test]
fn the_public_key_is_no_secret_of_an_hmac() {
    let host = Host::seeded(2);
    let signer = TokenSigner::generate(&host);
    let header = json!({"alg": "HS256", "typ": "JWT", "kid": signer.public().kid()});
    let unsigned = forged(&header, &claims(host.now()), b"");
    let signed = unsigned.trim_end_matches('.');
    let secret = signer.public().to_text();
    let token = format!("{signed}.{}", URL_SAFE_NO_PAD.encode(hmac_sha256(secret.as_bytes(), signed.as_bytes())));
    assert_eq!(signer.verifier().verify(&token, host.now()), Err(TokenError::Algorithm));
}

fn hmac_sha256(key: &[u8], message: &[u8]) -> Vec<u8> {
    use sha2::{Digest, Sha256};
    let pad = |with: u8| -> Vec<u8> { (0..64).map(|index| key.get(index).copied().unwrap_or(0) ^ with).collect() };
    let inner = Sha256::new().chain_update(pad(0x36)).chain_update(message).finalize();
    Sha256::new().chain_update(pad(0x5c)).chain_update(inner).finalize().to_vec()
}

#[test]
fn no_part_of_a_token_can_be_changed_or_left_out() {
    let host = Host::seeded(3);
    let signer = TokenSigner::generate(&host);
    let (good, _) = signer.issue(&host, "42", Role::Customer, HOUR);
    let verifier = signer.verifier();
    for end in 0..good.len() {
        assert!(verifier.verify(&good[..end], host.now()).is_err(), "cut at {end}");
    }
    for at in 0..good.len() {
        let mut changed = good.clone().into_bytes();
        changed[at] = if changed[at] == b'A' { b'B' } else { b'A' };
        assert!(verifier.verify(std::str::from_utf8(&changed).unwrap(), host.now()).is_err(), "changed at {at}");
    }
    for odd in [
        "",
        ".",
        "..",
        "...",
        "a.b.c",
        "\u{e9}.\u{e9}.\u{e9}",
        &format!("{good}.x"),
        &format!("{good}="),
        &"a.".repeat(3_000),
    ] {
        assert!(verifier.verify(odd, host.now()).is_err(), "{odd}");
    }
}

#[test]
fn a_verifier_accepts_several_keys_while_they_are_rotated() {
    let host = Host::seeded(4);
    let (old, new) = (TokenSigner::generate(&host), TokenSigner::generate(&host));
    let verifier = TokenVerifier::from_texts([new.public().to_text().as_str(), &old.public().to_text()]).unwrap();
    for signer in [&old, &new] {
        assert!(verifier.verify(&signer.issue(&host, "x", Role::Service, HOUR).0, host.now()).is_ok());
    }
    assert_eq!(PublicKey::from_text("AAAA"), None);
    let weak = base64::engine::general_purpose::STANDARD_NO_PAD.encode([0u8; 32]);
    assert_eq!(PublicKey::from_text(&weak), None);
}

#[test]
fn a_key_file_is_made_once_and_for_its_owner_alone() {
    let host = Host::seeded(5);
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("keys").join("token.key");
    let first = TokenSigner::load_or_create(&path, &host).unwrap();
    let again = TokenSigner::load_or_create(&path, &host).unwrap();
    assert_eq!(first.public(), again.public());
    assert_eq!(std::fs::read_dir(path.parent().unwrap()).unwrap().count(), 1, "nothing is left beside it");
    assert!(!format!("{first:?}").contains(std::fs::read_to_string(&path).unwrap().trim()));
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
        assert!(TokenSigner::load_or_create(&path, &host).unwrap_err().chain().contains("chmod 600"));
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
    }
    std::fs::write(&path, "not a key").unwrap();
    assert!(TokenSigner::load_or_create(&path, &host).is_err());
}

#[tokio::test]
async fn a_closed_route_answers_401_and_says_why() {
    let shop = Shop::new();
    let path = "/v1/users/42/orders";
    let answer = shop.send(Method::GET, path, &[], ()).await;
    assert_eq!(answer.1["www-authenticate"], "Bearer");
    assert_problem(answer, 401, "unauthorized");

    let expired = shop.signer.sign(&Claims { iat: 0, exp: 1, ..claims(shop.host.now()) });
    let stranger = TokenSigner::generate(&shop.host).issue(&shop.host, "42", Role::Customer, HOUR).0;
    let bad = [
        (format!("Bearer {expired}"), "The token has expired."),
        (format!("Bearer {stranger}"), "The token is signed with a key that is not known here."),
        ("Bearer x".to_owned(), "The token is malformed."),
        ("Basic dXNlcjpwYXNz".to_owned(), "The token is malformed."),
    ];
    for (value, detail) in bad {
        for path in [path, "/v1/open"] {
            let answer = shop.send(Method::GET, path, &[("authorization", &value)], ()).await;
            assert_eq!(answer.1["www-authenticate"], "Bearer error=\"invalid_token\"");
            assert_eq!(assert_problem(answer, 401, "invalid-token")["detail"], detail);
        }
    }
    let good = shop.bearer("42", Role::Customer);
    let twice = [("authorization", good.as_str()), ("authorization", good.as_str())];
    assert_problem(shop.send(Method::GET, path, &twice, ()).await, 401, "invalid-token");
}

#[tokio::test]
async fn customers_see_their_own_and_operators_and_services_everybodys() {
    let shop = Shop::new();
    let status = async |path: &str, sub: &str, role: Role| {
        shop.send(Method::GET, path, &[("authorization", &shop.bearer(sub, role))], ()).await.0
    };
    assert_eq!(status("/v1/users/42/orders", "42", Role::Customer).await, StatusCode::OK);
    assert_eq!(status("/v1/users/43/orders", "42", Role::Customer).await, StatusCode::FORBIDDEN);
    assert_eq!(status("/v1/users/43/orders", "anna", Role::Operator).await, StatusCode::OK);
    assert_eq!(status("/v1/users/43/orders", "order-service", Role::Service).await, StatusCode::OK);
    assert_eq!(status("/v1/operators", "42", Role::Customer).await, StatusCode::FORBIDDEN);
    assert_eq!(status("/v1/operators", "order-service", Role::Service).await, StatusCode::FORBIDDEN);
    assert_eq!(status("/v1/operators", "anna", Role::Operator).await, StatusCode::OK);
    // An operator named like a user is not that user.
    let operator = madrigal_http::Caller::of(Arc::new(Claims { role: Role::Operator, ..claims(shop.host.now()) }));
    assert_eq!((operator.user_id(), operator.actor()), (None, "operator:42".to_owned()));
}

#[tokio::test]
async fn without_the_edge_everybody_is_refused() {
    let router = axum::Router::new().route("/", axum::routing::get(|_: madrigal_http::Caller| async { "open" }));
    let (status, ..) = madrigal_http::testing::send(&router, Method::GET, "/", &[], ()).await;
    assert_eq!(status, StatusCode::UNAUTHORIZED);
}
