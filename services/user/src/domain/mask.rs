//! Which fields an update writes (AIP-134).

use logicore::{Error, Reason};

use super::Fields;

/// A field that callers write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Field {
    DisplayName,
    GivenName,
    FamilyName,
    Phone,
    Locale,
    Labels,
}

impl Field {
    const ALL: [Self; 6] = [
        Self::DisplayName,
        Self::GivenName,
        Self::FamilyName,
        Self::Phone,
        Self::Locale,
        Self::Labels,
    ];

    const fn name(self) -> &'static str {
        match self {
            Self::DisplayName => "display_name",
            Self::GivenName => "given_name",
            Self::FamilyName => "family_name",
            Self::Phone => "phone",
            Self::Locale => "locale",
            Self::Labels => "labels",
        }
    }

    fn is_set(self, fields: &Fields) -> bool {
        match self {
            Self::DisplayName => !fields.display_name.is_empty(),
            Self::GivenName => !fields.given_name.is_empty(),
            Self::FamilyName => !fields.family_name.is_empty(),
            Self::Phone => !fields.phone.is_empty(),
            Self::Locale => !fields.locale.is_empty(),
            Self::Labels => !fields.labels.is_empty(),
        }
    }

    /// Copies the field. Returns whether that changed it.
    fn copy(self, from: &Fields, to: &mut Fields) -> bool {
        fn set<T: PartialEq + Clone>(from: &T, to: &mut T) -> bool {
            let changed = from != to;
            if changed {
                to.clone_from(from);
            }
            changed
        }
        match self {
            Self::DisplayName => set(&from.display_name, &mut to.display_name),
            Self::GivenName => set(&from.given_name, &mut to.given_name),
            Self::FamilyName => set(&from.family_name, &mut to.family_name),
            Self::Phone => set(&from.phone, &mut to.phone),
            Self::Locale => set(&from.locale, &mut to.locale),
            Self::Labels => set(&from.labels, &mut to.labels),
        }
    }
}

/// Fields of a user that are there but not to be written by an update.
const READ_ONLY: [&str; 8] = [
    "id",
    "tenant",
    "email",
    "state",
    "create_time",
    "update_time",
    "delete_time",
    "roles",
];

/// The fields that an update writes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Mask {
    fields: Vec<Field>,
    /// Whether the caller named each field, so that nothing else in the message means anything.
    explicit: bool,
}

impl Mask {
    /// Reads the paths of a mask: `*` for all, none for those that are set in `values`.
    ///
    /// # Errors
    /// `INVALID_FIELD_MASK` for what is not there or not to be written.
    pub(crate) fn read(paths: &[String], values: &Fields) -> Result<Self, Error> {
        match paths {
            [] => Ok(Self {
                fields: Field::ALL.into_iter().filter(|f| f.is_set(values)).collect(),
                explicit: false,
            }),
            [all] if all == "*" => Ok(Self {
                fields: Field::ALL.to_vec(),
                explicit: false,
            }),
            paths => Self::named(paths),
        }
    }

    fn named(paths: &[String]) -> Result<Self, Error> {
        let mut fields = Vec::new();
        // An etag is a condition, not a value: naming it does no harm.
        for path in paths.iter().filter(|p| *p != "etag") {
            let field = Field::ALL.into_iter().find(|f| f.name() == path);
            let field = field.ok_or_else(|| refused(path))?;
            if !fields.contains(&field) {
                fields.push(field);
            }
        }
        Ok(Self { fields, explicit: true })
    }

    /// Whether the caller named the fields.
    pub(super) fn is_explicit(&self) -> bool {
        self.explicit
    }

    /// Copies the fields of the mask. Returns the names of those that changed.
    pub(super) fn apply(&self, from: &Fields, to: &mut Fields) -> Vec<&'static str> {
        let changed = self.fields.iter().filter(|f| f.copy(from, to));
        changed.map(|f| f.name()).collect()
    }
}

fn refused(path: &str) -> Error {
    let name = path.escape_debug();
    let problem = if path == "*" {
        "update_mask: `*` stands alone".to_owned()
    } else if READ_ONLY.contains(&path) {
        format!("update_mask: `{name}` cannot be changed here")
    } else {
        let known: Vec<_> = Field::ALL.iter().map(|f| f.name()).collect();
        format!("update_mask: `{name}` is none of {}", known.join(", "))
    };
    Error::new(Reason::InvalidFieldMask, problem).with("path", path)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(paths: &[&str], values: &Fields) -> Result<Vec<&'static str>, Error> {
        let paths: Vec<_> = paths.iter().map(|p| (*p).to_owned()).collect();
        Ok(Mask::read(&paths, values)?
            .fields
            .into_iter()
            .map(Field::name)
            .collect())
    }

    #[test]
    fn masks_are_read() {
        let set = Fields {
            phone: "+4930123456".into(),
            labels: [("a".to_owned(), "b".to_owned())].into(),
            ..Fields::default()
        };
        let all: Vec<_> = Field::ALL.iter().map(|f| f.name()).collect();
        let table: &[(&[&str], &[&str])] = &[
            (&[], &["phone", "labels"]),
            (&["*"], &all),
            (&["display_name"], &["display_name"]),
            (&["locale", "phone", "locale"], &["locale", "phone"]),
            (&["phone", "etag"], &["phone"]),
            (&["etag"], &[]),
        ];
        for (paths, wanted) in table {
            assert_eq!(names(paths, &set).unwrap(), *wanted, "{paths:?}");
        }
    }

    #[test]
    fn what_cannot_be_written_is_refused() {
        for path in [
            "email",
            "id",
            "state",
            "roles",
            "create_time",
            "nickname",
            "displayName",
            "labels.team",
            "",
        ] {
            let error = names(&["phone", path], &Fields::default()).unwrap_err();
            assert_eq!(error.reason(), Reason::InvalidFieldMask, "{path}");
        }
        let both = names(&["*", "phone"], &Fields::default()).unwrap_err();
        assert!(both.message().contains("stands alone"));
    }

    #[test]
    fn only_what_differs_counts_as_changed() {
        let mut to = Fields {
            phone: "+4930123456".into(),
            ..Fields::default()
        };
        let from = Fields {
            display_name: "A".into(),
            ..to.clone()
        };
        let mask = Mask::read(&["*".to_owned()], &from).unwrap();
        assert_eq!(mask.apply(&from, &mut to), ["display_name"]);
        assert_eq!(to, from);
        assert!(mask.apply(&from, &mut to).is_empty());
    }
}
