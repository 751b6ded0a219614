//! Compiles the protocol without `protoc`: no machine needs anything but Rust to build this.

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let files = protox::compile(["tongban/link/v1/link.proto"], ["."])?;
    // Ordered maps and shared bytes: nothing that reaches the wire may depend on hash order, nothing large is copied twice.
    tonic_prost_build::configure().bytes(".").btree_map(".").compile_fds(files)?;
    println!("cargo:rerun-if-changed=tongban");
    Ok(())
}
