//! What NAT is in front of this machine: `cargo run --example probe -- stun:stun.example.org`.

use natscope::net::Stop;
use natscope::report::text;
use natscope::run::probe::{Config, Progress, probe};
use std::error::Error;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let servers = std::env::args().skip(1).map(|uri| uri.parse()).collect::<Result<Vec<_>, _>>()?;
    let mut show = |news: Progress<'_>| {
        if let Progress::Doing(step) = news {
            eprintln!("{step}");
        }
    };
    let report = probe(&Config::new(servers), Stop::new(), &mut show).await?;
    print!("{}", text(&report, false));
    Ok(())
}
