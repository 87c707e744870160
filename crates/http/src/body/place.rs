//! Where in a JSON document something is: built only when there is something to say about it.

use std::fmt::Write as _;

/// A place in a document, as a chain to the root; becomes an RFC 6901 pointer.
#[derive(Clone, Copy)]
pub(crate) enum Place<'a> {
    /// The document itself.
    Root,
    /// A member of an object.
    Member(&'a Place<'a>, &'a str),
    /// An element of an array.
    Element(&'a Place<'a>, usize),
}

impl Place<'_> {
    /// The RFC 6901 pointer of this place.
    pub(crate) fn pointer(&self) -> String {
        let mut pointer = String::new();
        self.write(&mut pointer);
        pointer
    }

    fn write(&self, pointer: &mut String) {
        match self {
            Place::Root => {}
            Place::Member(parent, name) => {
                parent.write(pointer);
                pointer.push('/');
                for character in name.chars().take(200) {
                    match character {
                        '~' => pointer.push_str("~0"),
                        '/' => pointer.push_str("~1"),
                        other => pointer.push(other),
                    }
                }
            }
            Place::Element(parent, index) => {
                parent.write(pointer);
                let _ = write!(pointer, "/{index}");
            }
        }
    }
}

/// The most errors that one answer lists.
pub(crate) const MAX_FIELD_ERRORS: usize = 50;

/// Errors found so far: at most [`MAX_FIELD_ERRORS`], one per place and wording.
#[derive(Default)]
pub(crate) struct Findings(Vec<crate::problem::FieldError>);

impl Findings {
    /// Notes an error, unless the list is full.
    pub(crate) fn add(&mut self, place: &Place<'_>, detail: impl Into<String>) {
        if self.0.len() < MAX_FIELD_ERRORS {
            self.0.push(crate::problem::FieldError { pointer: place.pointer(), detail: detail.into() });
        }
    }

    /// Whether no more are wanted.
    pub(crate) fn is_full(&self) -> bool {
        self.0.len() >= MAX_FIELD_ERRORS
    }

    /// Whether nothing was found.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether something was already said about exactly this place.
    pub(crate) fn mention(&self, place: &Place<'_>) -> bool {
        if self.0.is_empty() {
            return false;
        }
        let pointer = place.pointer();
        self.0.iter().any(|error| error.pointer == pointer)
    }

    /// Adds all of `other`, up to the bound.
    pub(crate) fn extend(&mut self, other: Findings) {
        let room = MAX_FIELD_ERRORS - self.0.len();
        self.0.extend(other.0.into_iter().take(room));
    }

    /// The errors.
    pub(crate) fn into_errors(self) -> Vec<crate::problem::FieldError> {
        self.0
    }
}
