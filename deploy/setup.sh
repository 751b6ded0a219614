# What a build needs beside Rust; sourced by the scripts that build. Installs what is missing.
if ! command -v cargo >/dev/null; then
    echo "Rust is missing: install it from https://rustup.rs and run this again" >&2
    exit 1
fi
# A C compiler for SQLite, and OpenSSL's headers for the encryption of what lies on a village's disk.
if ! command -v cc >/dev/null || [ ! -e /usr/include/openssl/evp.h ]; then
    echo "installing gcc libc6-dev libssl-dev" >&2
    (apt-get update -qq && apt-get install -y -qq gcc libc6-dev libssl-dev) >&2 || {
        echo "a C compiler or libssl-dev is missing and could not be installed" >&2
        exit 1
    }
fi
