//! What an exported mail must hold, and what no content may do to it.

use madrigal_contracts::notification::MailKind;
use proptest::prelude::*;

use super::*;

const HEADERS: [&str; 9] = [
    "Date",
    "From",
    "To",
    "Subject",
    "Message-ID",
    "Auto-Submitted",
    "MIME-Version",
    "Content-Type",
    "Content-Transfer-Encoding",
];

fn content(name: &str, email: &str, subject: &str, text: &str) -> MailContent {
    MailContent {
        to_name: name.to_owned(),
        to_email: email.to_owned(),
        subject: subject.to_owned(),
        text: text.to_owned(),
    }
}

fn rendered(content: &MailContent) -> Result<String, EmlError> {
    let key = MailKey::new("o-1", MailKind::OrderConfirmation).unwrap();
    let time = "2026-11-22T10:15:00Z".parse().unwrap();
    render(&key, time, content).map(|eml| String::from_utf8(eml.bytes).unwrap())
}

/// The unfolded headers and the body, read as a receiver reads them.
fn parts(eml: &str) -> (Vec<(String, String)>, String) {
    let (head, body) = eml.split_once("\r\n\r\n").unwrap();
    let headers = head.replace("\r\n ", " ");
    let headers = headers.split("\r\n").map(|line| line.split_once(": ").unwrap());
    (headers.map(|(name, value)| (name.to_owned(), value.to_owned())).collect(), body.to_owned())
}

fn decoded_words(value: &str) -> String {
    let mut text = String::new();
    for word in value.split(' ') {
        let inner = word.strip_prefix("=?utf-8?B?").and_then(|word| word.strip_suffix("?=")).unwrap();
        assert!(word.len() <= 75, "{word}");
        text.push_str(&String::from_utf8(STANDARD.decode(inner).unwrap()).unwrap());
    }
    text
}

fn unquoted(body: &str) -> String {
    let joined = body.replace("=\r\n", "");
    let mut bytes = Vec::new();
    let mut rest = joined.as_bytes();
    while let Some((&byte, tail)) = rest.split_first() {
        if byte == b'=' {
            bytes.push(u8::from_str_radix(std::str::from_utf8(&tail[..2]).unwrap(), 16).unwrap());
            rest = &tail[2..];
        } else {
            bytes.push(byte);
            rest = tail;
        }
    }
    String::from_utf8(bytes).unwrap()
}

#[test]
fn a_mail_is_readable_by_any_mail_program() {
    let eml = rendered(&content("Anna Ek", "anna@example.org", "Your order", "Thank you.\nTotal: 10 = ten")).unwrap();
    let (headers, body) = parts(&eml);
    assert_eq!(headers[0], ("Date".into(), "Sun, 22 Nov 2026 10:15:00 +0000".into()));
    assert_eq!(headers[2], ("To".into(), "Anna Ek <anna@example.org>".into()));
    assert_eq!(headers[3], ("Subject".into(), "Your order".into()));
    assert_eq!(headers[4], ("Message-ID".into(), "<o-1.order-confirmation@madrigal.local>".into()));
    assert_eq!(body, "Thank you.\r\nTotal: 10 =3D ten\r\n");
}

#[test]
fn words_beyond_ascii_are_encoded() {
    let subject = "Bestellung bestätigt: 東京の本とカフェのための長い長い長い題名です、本当に";
    let eml = rendered(&content("Ånna", "anna@example.org", subject, "grüß")).unwrap();
    let (headers, body) = parts(&eml);
    assert!(eml.is_ascii());
    assert_eq!(decoded_words(&headers[3].1), subject);
    assert_eq!(unquoted(&body), "grüß\r\n");
}

#[test]
fn a_name_cannot_pass_for_an_address() {
    let eml = rendered(&content("x <boss@bank.example>,", "anna@example.org", "s", "t")).unwrap();
    assert!(!eml.contains("boss@bank.example"), "{eml}");
}

#[test]
fn an_address_that_could_break_its_header_is_refused() {
    for email in [
        "",
        "anna",
        "@",
        "a@",
        "@b",
        "anna@example.org\r\nBcc: all@example.org",
        "anna@example.org, all@example.org",
        "anna@example.org>",
        "a b@example.org",
        "a@b@c",
        "a\u{0}@b",
        "a\u{85}@b",
        "\"a\"@b",
    ] {
        assert_eq!(rendered(&content("n", email, "s", "t")), Err(EmlError::Address), "{email:?}");
    }
    let key = MailKey::new("o-1", MailKind::OrderConfirmation).unwrap();
    let global = render(&key, Timestamp::default(), &content("n", "änna@exämple.org", "s", "t")).unwrap();
    assert_eq!(global.media_type, "message/global");
}

#[test]
fn a_lone_dot_and_trailing_blanks_survive() {
    let eml = rendered(&content("n", "a@b", "s", "a \n.\n..\tb\t")).unwrap();
    let (_, body) = parts(&eml);
    assert!(!body.contains("\r\n.\r\n") && !body.contains(" \r\n"), "{body:?}");
    assert_eq!(unquoted(&body), "a \r\n.\r\n..\tb\t\r\n");
}

proptest! {
    #[test]
    fn no_content_becomes_a_header(name in any::<String>(), subject in any::<String>(), text in any::<String>()) {
        let inject = |base: &str| format!("{base}\r\nBcc: all@example.org\r\n\r\nbody");
        for (name, subject) in [(name.clone(), subject.clone()), (inject(&name), inject(&subject))] {
            let eml = rendered(&content(&name, "anna@example.org", &subject, &text)).unwrap();
            prop_assert!(eml.is_ascii());
            let (headers, body) = parts(&eml);
            let names: Vec<&str> = headers.iter().map(|(name, _)| name.as_str()).collect();
            prop_assert_eq!(names, HEADERS.to_vec());
            // Nor may it become one in a program that decodes before it splits.
            let subject = &headers[3].1;
            let decoded = if subject.starts_with("=?") { decoded_words(subject) } else { subject.clone() };
            prop_assert!(!decoded.chars().any(char::is_control), "{:?}", decoded);
            for line in eml.split("\r\n") {
                prop_assert!(line.len() <= 100, "{}", line);
                prop_assert!(line.bytes().all(|byte| byte == b'\t' || !byte.is_ascii_control()), "{:?}", line);
            }
            let expected = text.replace("\r\n", "\n").replace('\r', "\n").replace('\n', "\r\n") + "\r\n";
            prop_assert_eq!(unquoted(&body), expected);
        }
    }
}
