//! Compiles `bpf/*.bpf.c` and generates a skeleton for each.

use std::env;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use libbpf_cargo::SkeletonBuilder;

fn main() {
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets OUT_DIR"));
    let arch = env::var("CARGO_CFG_TARGET_ARCH").expect("cargo sets CARGO_CFG_TARGET_ARCH");
    // Debian keeps asm/types.h under the multiarch folder, where clang -target bpf does not look.
    let include = OsString::from(format!("-I/usr/include/{arch}-linux-gnu"));
    let bpf = Path::new(env!("CARGO_MANIFEST_DIR")).join("bpf");
    for name in ["generate", "bare", "empty"] {
        SkeletonBuilder::new()
            .source(bpf.join(format!("{name}.bpf.c")))
            .clang_args([include.clone()])
            .build_and_generate(out.join(format!("{name}.skel.rs")))
            .unwrap_or_else(|err| panic!("benches/bpf/{name}.bpf.c does not build: {err:?}"));
    }
    println!("cargo:rerun-if-changed={}", bpf.display());
}
