//! `docs/settings.md` says what the program reads. `UPDATE_GOLDEN=1` rewrites it.

use std::{fmt::Write as _, fs, path::Path};

use logicore::settings::{KEYS, Role};

#[test]
fn the_reference_is_what_the_program_reads() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/settings.md");
    let wanted = reference();
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        fs::write(&path, &wanted).expect("docs/ can be written");
    }
    let found = fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(found, wanted, "run `cargo xtask golden` and look at the difference");
}

fn reference() -> String {
    let mut out = String::from(
        "# Settings\n\n\
         Each setting has one name in the environment (and in `./.env`), one in `logicore.toml`, and one flag; the first that has a value\n\
         wins: flag, environment, `./.env`, `logicore.toml` (or the file that `LOGICORE_CONFIG` names), default. Unknown names are\n\
         refused in flags, files and `LOGICORE_*`. Every problem is listed at once and ends the program with status 64.\n\
         `logicore check-config [ROLE]` prints what is in force and where it comes from, secrets masked.\n\n\
         Durations take `ms`, `s`, `m`, `h` or `d`; sizes take `K` or `M`.\n\n\
         | environment | `logicore.toml` | flag | default | what it does |\n|---|---|---|---|---|\n",
    );
    for key in KEYS {
        let default = key.default(Role::All);
        let default = if default.is_empty() {
            "-".to_owned()
        } else {
            format!("`{default}`")
        };
        let flag = if key.secret {
            "-".to_owned()
        } else {
            format!("`--{}`", key.flag())
        };
        writeln!(
            out,
            "| `{}` | `{}` | {flag} | {default} | {} |",
            key.env, key.name, key.help
        )
        .expect("a string takes all");
    }
    out.push_str(
        "\n`LOGICORE_MESH_LISTEN` is `127.0.0.1:8081` for `auth`, `:8082` for `user` and `:8083` for `admin`.\n\
         Secrets have no visible flag: a command line can be read by every user of the machine.\n",
    );
    out
}
