//! Each source as a map from a setting's name to its text; what no setting is called is a problem.

use std::{collections::BTreeMap, path::Path};

use super::{KEYS, Key, Origin, Sources};

/// One source: where it is, and its values by the setting's name.
pub(super) type Layer = (Origin, Values);

type Values = BTreeMap<&'static str, String>;

/// Names the configuration file.
pub(super) const CONFIG_ENV: &str = "LOGICORE_CONFIG";

/// Variables with our prefix that are no settings of a server.
const IGNORED_ENV: &[&str] = &[CONFIG_ENV, "LOGICORE_TOOLS_DIR"];

impl Sources {
    /// All sources, strongest first.
    pub(super) fn layers(&self, problems: &mut Vec<String>) -> Vec<Layer> {
        let mut layers = vec![
            (Origin::Flag, self.read_flags(problems)),
            (Origin::Environment, self.read_env(problems)),
        ];
        if let Some((path, text)) = &self.dotenv {
            layers.push((Origin::File(path.clone()), read_dotenv(path, text, problems)));
        }
        if let Some((path, text)) = &self.toml {
            layers.push((Origin::File(path.clone()), read_toml(path, text, problems)));
        }
        layers
    }

    fn read_flags(&self, problems: &mut Vec<String>) -> Values {
        let mut out = Values::new();
        for (name, value) in &self.flags {
            match KEYS.iter().find(|k| k.name == name) {
                Some(key) => drop(out.insert(key.name, value.clone())),
                None => problems.push(unknown("flag", name, Key::flag)),
            }
        }
        out
    }

    fn read_env(&self, problems: &mut Vec<String>) -> Values {
        let mut out = Values::new();
        for (name, value) in &self.env {
            match KEYS.iter().find(|k| k.env == name) {
                Some(key) => drop(out.insert(key.name, value.clone())),
                // Other programs' variables are none of our business; ours have a prefix.
                None if name.starts_with("LOGICORE_") && !IGNORED_ENV.contains(&name.as_str()) => {
                    problems.push(unknown("environment", name, |k| k.env.to_owned()));
                }
                None => {}
            }
        }
        out
    }
}

fn read_dotenv(path: &Path, text: &str, problems: &mut Vec<String>) -> Values {
    let mut out = Values::new();
    for item in dotenvy::from_read_iter(text.as_bytes()) {
        match item {
            Ok((name, value)) => match KEYS.iter().find(|k| k.env == name) {
                Some(key) => drop(out.insert(key.name, value)),
                None => problems.push(unknown(&path.display().to_string(), &name, |k| k.env.to_owned())),
            },
            // The parser's message would show the line, and the line may hold a secret.
            Err(error) => {
                let line = match error {
                    dotenvy::Error::LineParse(bad, _) => text.lines().position(|l| l.trim() == bad.trim()),
                    _ => None,
                };
                let line = line.map_or("a line".to_owned(), |at| format!("line {}", at + 1));
                problems.push(format!("{}: {line} is not NAME=value", path.display()));
            }
        }
    }
    out
}

fn read_toml(path: &Path, text: &str, problems: &mut Vec<String>) -> Values {
    let mut out = Values::new();
    let table = match text.parse::<toml::Table>() {
        Ok(table) => table,
        Err(e) => {
            let line = e
                .span()
                .map_or(1, |s| text[..s.start.min(text.len())].matches('\n').count() + 1);
            problems.push(format!("{}: line {line} is not valid TOML", path.display()));
            return out;
        }
    };
    for (name, value) in table {
        let Some(key) = KEYS.iter().find(|k| k.name == name) else {
            problems.push(unknown(&path.display().to_string(), &name, |k| k.name.to_owned()));
            continue;
        };
        match plain(&value) {
            Some(text) => drop(out.insert(key.name, text)),
            None => problems.push(format!(
                "{}: {name} must be a string, a number, a boolean or a list",
                path.display()
            )),
        }
    }
    out
}

fn plain(value: &toml::Value) -> Option<String> {
    match value {
        toml::Value::String(s) => Some(s.clone()),
        toml::Value::Integer(i) => Some(i.to_string()),
        toml::Value::Float(f) => Some(f.to_string()),
        toml::Value::Boolean(b) => Some(b.to_string()),
        toml::Value::Array(a) => a.iter().map(plain).collect::<Option<Vec<_>>>().map(|v| v.join(",")),
        _ => None,
    }
}

fn unknown(place: &str, name: &str, spell: impl Fn(&Key) -> String) -> String {
    let near = KEYS
        .iter()
        .map(spell)
        .min_by_key(|k| distance(k, name))
        .filter(|k| distance(k, name) <= 3.min(name.len() / 2));
    let hint = near.map_or(String::new(), |k| format!("; did you mean `{k}`?"));
    format!("{place}: there is no setting `{name}`{hint}")
}

/// Levenshtein distance: how many letters a typo is away.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, y) in b.iter().enumerate() {
            let next = (diagonal + usize::from(x != *y)).min(row[j] + 1).min(row[j + 1] + 1);
            diagonal = row[j + 1];
            row[j + 1] = next;
        }
    }
    row[b.len()]
}
