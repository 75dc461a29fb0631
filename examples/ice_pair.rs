//! Two ICE peers on this machine, connected over its loopback: `cargo run --example ice_pair`.
//!
//! Between two machines the descriptions would pass by signalling, or by hand: `natscope::sdp` writes
//! and reads them.

use natscope::ice::Role;
use natscope::net::bind::Bind;
use natscope::net::ice::{Options, gather};
use std::error::Error;
use std::net::Ipv4Addr;
use std::time::Duration;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let bind = Some(Bind::Address(Ipv4Addr::LOCALHOST.into()));
    let options = Options { bind, ..Options::default() };
    let mut offerer = gather(options.clone(), Role::Controlling).await?;
    let mut answerer = gather(options, Role::Controlled).await?;
    offerer.remote().set(&answerer.description());
    answerer.remote().set(&offerer.description());

    let (mut quiet, mut silent) = (|_| {}, |_| {});
    let (outcome, _) = tokio::join!(offerer.connect(&mut quiet), answerer.connect(&mut silent));
    let pair = outcome.selected.ok_or("they did not connect")?;
    println!("selected: {:?} {} to {}", pair.local.kind, pair.local.address, pair.remote.address);
    let round_trips = offerer.echo(10, Duration::from_millis(20)).await;
    println!("round trips: {round_trips:?}");
    Ok(())
}
