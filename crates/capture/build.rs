//! Compiles `bpf/*.bpf.c` and generates a skeleton for each.

use std::env;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use libbpf_cargo::SkeletonBuilder;

const PROGRAMS: [&str; 3] = ["capture", "guard", "isolate"];

fn main() {
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets OUT_DIR"));
    let bpf = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../bpf");
    let arch = env::var("CARGO_CFG_TARGET_ARCH").expect("cargo sets CARGO_CFG_TARGET_ARCH");
    // Debian keeps asm/types.h under the multiarch folder, where clang -target bpf does not look.
    let multiarch = format!("/usr/include/{arch}-linux-gnu");
    // Version 3 of the instruction set has atomic operations beyond addition (Linux 5.12).
    let args: [OsString; 6] =
        ["-I".into(), bpf.clone().into(), "-I".into(), multiarch.into(), "-Wall".into(), "-mcpu=v3".into()];
    for name in PROGRAMS {
        SkeletonBuilder::new()
            .source(bpf.join(format!("{name}.bpf.c")))
            .clang_args(args.clone())
            .build_and_generate(out.join(format!("{name}.skel.rs")))
            .unwrap_or_else(|err| panic!("bpf/{name}.bpf.c does not build: {err:?}"));
    }
    println!("cargo:rerun-if-changed={}", bpf.display());
}
