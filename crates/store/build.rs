//! Makes cargo notice a new migration: the macro that embeds them sees only files that already existed.

fn main() {
    println!("cargo:rerun-if-changed=migrations");
    println!("cargo:rerun-if-changed=migrations_queue");
}
