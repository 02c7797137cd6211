//! Compiles the GPU kernels of `src/nn/gpu`, for the features that use them.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    #[cfg(any(feature = "cuda", feature = "cuda-emulation"))]
    println!("cargo::rerun-if-changed=src/nn/gpu");
    #[cfg(feature = "cuda")]
    ptx();
    #[cfg(feature = "cuda-emulation")]
    emulator();
}

/// `kernels.rs`, which holds the kernels as PTX, for the GPU's driver.
#[cfg(feature = "cuda")]
fn ptx() {
    let folder = std::env::var("OUT_DIR").expect("cargo sets OUT_DIR");
    let built = cudaforge::KernelBuilder::new()
        .source_files(["all", "any"].map(|name| format!("src/nn/gpu/kernels/{name}.cu")))
        .args(["-std=c++17", "-O3"])
        .build_ptx()
        .expect("nvcc compiles the kernels");
    built.write(std::path::Path::new(&folder).join("kernels.rs")).expect("OUT_DIR can be written");
}

/// The kernels as functions of the CPU.
#[cfg(feature = "cuda-emulation")]
fn emulator() {
    cc::Build::new()
        .cpp(true)
        .std("c++17")
        .opt_level(2)
        .flag("-U_FORTIFY_SOURCE") // fibers jump between stacks, which it takes for an error
        .file("src/nn/gpu/emulator/emulator.cpp")
        .compile("valuenet_emulator");
}
