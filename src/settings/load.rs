//! From flags, environment and files to [`Settings`]: the first source that has a value wins, unknown keys are refused, every
//! problem is listed.

use std::{collections::BTreeMap, fmt, path::PathBuf};

use super::{KEYS, Role, Settings, check, sources::Layer};

/// Name of the routes file where no setting names it.
const ROUTES: &str = "routes.toml";

/// What settings are read from, as text. [`Sources::from_process`] fills it; tests fill it themselves.
#[derive(Debug, Default)]
pub struct Sources {
    /// Flags by the setting's name.
    pub flags: BTreeMap<String, String>,
    /// The environment.
    pub env: Vec<(String, String)>,
    /// Path and text of `.env`.
    pub dotenv: Option<(PathBuf, String)>,
    /// Path and text of `logicore.toml`.
    pub toml: Option<(PathBuf, String)>,
    /// `./routes.toml`, where it is there: the routes file unless a setting names another.
    pub routes: Option<PathBuf>,
}

/// Where a value comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// Built in.
    Default,
    /// A flag.
    Flag,
    /// The environment.
    Environment,
    /// A file.
    File(PathBuf),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::Flag => f.write_str("flag"),
            Self::Environment => f.write_str("environment"),
            Self::File(path) => write!(f, "{}", path.display()),
        }
    }
}

/// Settings and where each comes from.
#[derive(Debug)]
pub struct Loaded {
    /// The effective settings.
    pub settings: Settings,
    /// Things that work but should not stay: weak secrets in demo mode, plaintext and the like.
    pub warnings: Vec<String>,
    origins: BTreeMap<&'static str, Origin>,
}

impl Loaded {
    /// Name, value (secrets masked) and origin of every setting.
    pub fn table(&self) -> impl Iterator<Item = (&'static str, String, &Origin)> {
        KEYS.iter().map(|k| {
            (
                k.env,
                (k.get)(&self.settings),
                self.origins.get(k.name).unwrap_or(&Origin::Default),
            )
        })
    }
}

/// Everything that is wrong, at once.
#[derive(Debug, PartialEq, Eq)]
pub struct Problems(pub Vec<String>);

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the settings cannot be used:")?;
        self.0.iter().try_for_each(|p| write!(f, "\n  - {p}"))
    }
}

impl std::error::Error for Problems {}

impl Sources {
    /// The process's environment, `./.env` and `./logicore.toml` (or the file that `LOGICORE_CONFIG` names).
    ///
    /// # Errors
    /// When a file is there but cannot be read.
    pub fn from_process(flags: BTreeMap<String, String>) -> Result<Self, Problems> {
        let env: Vec<_> = std::env::vars().collect();
        let named = env
            .iter()
            .find(|(k, _)| k == super::sources::CONFIG_ENV)
            .map(|(_, v)| PathBuf::from(v));
        let mut problems = Vec::new();
        let mut read = |path: PathBuf, required: bool| match std::fs::read_to_string(&path) {
            Ok(text) => Some((path, text)),
            Err(e) if e.kind() == std::io::ErrorKind::NotFound && !required => None,
            Err(e) => {
                problems.push(format!("{}: {e}", path.display()));
                None
            }
        };
        let dotenv = read(".env".into(), false);
        let toml = read(named.clone().unwrap_or_else(|| "logicore.toml".into()), named.is_some());
        if problems.is_empty() {
            Ok(Self {
                flags,
                env,
                dotenv,
                toml,
                routes: Some(PathBuf::from(ROUTES)).filter(|path| path.exists()),
            })
        } else {
            Err(Problems(problems))
        }
    }

    /// Reads the settings of a role.
    ///
    /// # Errors
    /// Every problem at once.
    pub fn load(&self, role: Role) -> Result<Loaded, Problems> {
        let mut problems = Vec::new();
        let layers: Vec<Layer> = self.layers(&mut problems);
        let mut settings = Settings::defaults(role);
        settings.routes.clone_from(&self.routes);
        let mut origins = BTreeMap::new();
        for key in KEYS {
            // An empty value is as good as none: that is how people blank a variable.
            let found = layers
                .iter()
                .find_map(|(o, l)| l.get(key.name).filter(|v| !v.is_empty()).map(|v| (o, v)));
            let Some((origin, value)) = found else { continue };
            if let Err(problem) = (key.set)(&mut settings, value) {
                problems.push(format!("{} ({origin}): {problem}", key.env));
            }
            origins.insert(key.name, origin.clone());
        }
        let warnings = check::check(&mut settings, &origins, &mut problems);
        if problems.is_empty() {
            Ok(Loaded {
                settings,
                warnings,
                origins,
            })
        } else {
            Err(Problems(problems))
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn env(pairs: &[(&str, &str)]) -> Sources {
        let env = pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        Sources {
            env,
            ..Sources::default()
        }
    }

    fn dotenv(text: &str) -> Sources {
        Sources {
            dotenv: Some((".env".into(), text.to_owned())),
            ..Sources::default()
        }
    }

    #[test]
    fn flags_beat_environment_beats_dotenv_beats_toml() {
        let mut sources = env(&[("RATE_LIMIT", "3")]);
        sources.toml = Some(("logicore.toml".into(), "rate_limit = 1\njwt_expiry = \"1m\"".to_owned()));
        sources.dotenv = Some((
            ".env".into(),
            "RATE_LIMIT=2\nJWT_EXPIRY=2m\nSERVICE_TIMEOUT=7".to_owned(),
        ));
        sources.flags.insert("rate_limit".to_owned(), "4".to_owned());
        let loaded = sources.load(Role::All).expect("good");
        assert_eq!(loaded.settings.limits.rate_per_minute, 4);
        assert_eq!(loaded.settings.jwt.expiry, Duration::from_secs(120));
        assert_eq!(loaded.settings.resilience.service_timeout, Duration::from_millis(7));
        let origin = loaded
            .table()
            .find(|(n, ..)| *n == "JWT_EXPIRY")
            .map(|(.., o)| o.clone());
        assert_eq!(origin, Some(Origin::File(".env".into())));
    }

    #[test]
    fn every_problem_is_listed_at_once() {
        let mut sources = env(&[("RATE_LIMIT", "many"), ("LOGICORE_LISTE", "x"), ("PATH", "/bin")]);
        sources.dotenv = Some((".env".into(), "JWT_EXPIRE=15m\n".to_owned()));
        sources.toml = Some(("logicore.toml".into(), "service_timeout = \"soon\"".to_owned()));
        let problems = sources.load(Role::All).expect_err("bad").0;
        assert_eq!(problems.len(), 4, "{problems:#?}");
        assert!(
            problems
                .iter()
                .any(|p| p.contains("LOGICORE_LISTE`; did you mean `LOGICORE_LISTEN`?"))
        );
        assert!(problems.iter().any(|p| p.contains("did you mean `JWT_EXPIRY`?")));
    }

    #[test]
    fn a_broken_line_is_named_by_its_number_and_not_shown() {
        let problems = dotenv("RATE_LIMIT=2\n\nJWT_SECRET hunter2hunter2\n")
            .load(Role::All)
            .expect_err("bad")
            .0;
        assert_eq!(problems, [".env: line 3 is not NAME=value"]);
    }

    #[test]
    fn a_name_that_is_like_none_of_ours_gets_no_hint() {
        let problems = dotenv("A=2\n").load(Role::All).expect_err("bad").0;
        assert_eq!(problems, [".env: there is no setting `A`"]);
    }

    #[test]
    fn the_guides_file_is_taken_on_loopback_and_refused_beyond() {
        let guide = "JWT_SECRET=your-super-secret-jwt-key-here\nJWT_REFRESH_SECRET=your-refresh-secret-jwt-key-here\n\
                     JWT_EXPIRY=15m\nJWT_REFRESH_EXPIRY=7d\nRATE_LIMIT=1000\nSERVICE_TIMEOUT=5000\nERROR_THRESHOLD=50\n\
                     CIRCUIT_RESET_TIMEOUT=30000\n";
        let mut sources = Sources {
            dotenv: Some((".env".into(), guide.to_owned())),
            ..Sources::default()
        };
        let loaded = sources.load(Role::All).expect("demo mode takes the samples");
        assert!(!loaded.warnings.is_empty());
        sources
            .env
            .push(("LOGICORE_LISTEN".to_owned(), "0.0.0.0:8080".to_owned()));
        let problems = sources.load(Role::All).expect_err("beyond loopback").0;
        assert!(problems.iter().any(|p| p.contains("JWT_SECRET")), "{problems:#?}");
    }

    #[test]
    fn secrets_never_show() {
        let secret = "correct-horse-battery-staple-0123456789";
        let loaded = env(&[("JWT_SECRET", secret), ("MESH_SECRET", secret)])
            .load(Role::Auth)
            .expect("good");
        assert!(!format!("{loaded:?}").contains("horse"));
        assert!(loaded.table().all(|(_, v, _)| !v.contains("horse")));
        let broken = Sources {
            dotenv: Some((".env".into(), "JWT_SECRET='horse\n".to_owned())),
            ..Sources::default()
        };
        assert!(
            !broken
                .load(Role::All)
                .expect_err("broken")
                .to_string()
                .contains("horse")
        );
        let broken = Sources {
            toml: Some(("l.toml".into(), "jwt_secret = horse".to_owned())),
            ..Sources::default()
        };
        assert!(
            !broken
                .load(Role::All)
                .expect_err("broken")
                .to_string()
                .contains("horse")
        );
    }

    #[test]
    fn a_role_apart_needs_a_mesh_secret() {
        assert!(env(&[]).load(Role::Gateway).is_err());
        assert!(
            env(&[("MESH_SECRET", "0123456789abcdef0123456789abcdef")])
                .load(Role::Gateway)
                .is_ok()
        );
        assert!(env(&[]).load(Role::All).is_ok());
    }

    #[test]
    fn names_of_settings_are_unique() {
        for (i, a) in KEYS.iter().enumerate() {
            assert!(
                KEYS[i + 1..].iter().all(|b| a.name != b.name && a.env != b.env),
                "{}",
                a.name
            );
        }
    }

    #[test]
    fn every_default_reads_back() {
        for key in KEYS {
            let text = key.default(Role::All);
            if !text.is_empty() && !key.secret {
                let mut settings = Settings::defaults(Role::All);
                assert_eq!((key.set)(&mut settings, &text), Ok(()), "{}", key.name);
            }
        }
    }
}
