//! How the program lies in memory: `deploy/build.sh` names, in `TONGBAN_ORDER`, the functions that a waiting agent runs, and the
//! linker puts them side by side. Without it everything works as well and takes more memory.

fn main() {
    println!("cargo:rerun-if-env-changed=TONGBAN_ORDER");
    let Ok(order) = std::env::var("TONGBAN_ORDER") else { return };
    println!("cargo:rerun-if-changed={order}");
    println!("cargo:rustc-link-arg-bins=-Wl,--symbol-ordering-file={order}");
    // Names of the C library stand there as well.
    println!("cargo:rustc-link-arg-bins=-Wl,--no-warn-symbol-ordering");
}
