//! What an attacker tries from outside, one file for each kind of attack.

#[path = "attacks/floods.rs"]
mod floods;
#[path = "attacks/forged.rs"]
mod forged;
#[path = "attacks/grants.rs"]
mod grants;
#[path = "attacks/guessing.rs"]
mod guessing;
#[path = "attacks/hosts.rs"]
mod hosts;
#[path = "attacks/internal.rs"]
mod internal;
#[path = "attacks/matrix.rs"]
mod matrix;
#[path = "attacks/mesh.rs"]
mod mesh;
#[path = "attacks/neighbours.rs"]
mod neighbours;
#[path = "attacks/others.rs"]
mod others;
#[path = "attacks/paths.rs"]
mod paths;
#[path = "attacks/refresh.rs"]
mod refresh;
#[path = "attacks/spoofed.rs"]
mod spoofed;
