//! Any words of any clients in any order: rooms stay rooms of two, and nothing is left when all
//! have gone. Any datagrams between connected peers: bounded, and no panic.
#![no_main]

use libfuzzer_sys::fuzz_target;
use natscope::peer::{Parcels, Word};
use natscope::signal::{ClientId, Limits, Rooms};
use std::time::Duration;

fuzz_target!(|steps: Vec<(u8, u8, String)>| {
    let mut server = Rooms::new(Limits { rooms: 2, clients: 6, ..Limits::default() });
    let mut parcels = Parcels::new(Duration::from_millis(100));
    let mut now = Duration::ZERO;
    for (client, what, text) in &steps {
        let id = ClientId(u64::from(client % 8));
        now += Duration::from_millis(u64::from(*what));
        match what % 4 {
            0 => {
                server.connected(now, id, [192, 0, 2, *client].into());
            }
            1 => server.disconnected(id),
            2 => server.received(now, id, r#"{"type":"join","room":"a","version":1}"#),
            _ => server.received(now, id, text),
        }
        server.tick(now);
        while server.poll().is_some() {}
        assert!(server.rooms() <= 2 && server.clients() <= 6);
        parcels.receive(text.as_bytes());
        parcels.receive(&[b"\xc1np", text.as_bytes()].concat());
        let _ = (parcels.transmit(now), parcels.take());
        let _ = serde_json::from_str::<Word>(text);
    }
    for client in 0..8 {
        server.disconnected(ClientId(client));
    }
    assert_eq!((server.rooms(), server.clients()), (0, 0));
});
