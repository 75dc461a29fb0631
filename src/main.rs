//! The `natscope` binary; everything is in the library.

fn main() -> std::process::ExitCode {
    natscope::main()
}
