//! Any bytes from a TURN server, over UDP and over a stream, before and after requests have left: no
//! panic, no endless loop, and whatever is shown of the text is safe to print.
#![no_main]

use libfuzzer_sys::fuzz_target;
use natscope::stun::Patience;
use natscope::turn::client::{Event, Poll};
use natscope::turn::{Client, Over, Server};
use std::time::Duration;

fuzz_target!(|input: (bool, Vec<Vec<u8>>)| {
    let (tcp, messages) = input;
    let server = Server {
        uri: "turn:203.0.113.1".to_owned(),
        name: "203.0.113.1".to_owned(),
        address: ([203, 0, 113, 1], 3478).into(),
        over: if tcp { Over::Tcp } else { Over::Udp },
        user: "user".to_owned(),
        password: "password".to_owned(),
    };
    let local = ([192, 0, 2, 1], 5000).into();
    let mut client = Client::new(server, local, Patience::lab(), Duration::ZERO);
    let mut now = Duration::ZERO;
    for mut message in messages.into_iter().take(64) {
        while let Some(sent) = client.transmit(now) {
            // so that some answers are to what was asked
            if let (Some(to), Some(id)) = (message.get_mut(8..20), sent.get(8..20)) {
                to.copy_from_slice(id);
            }
        }
        client.receive(now, &message);
        client.send(now, ([198, 51, 100, 7], 7).into(), &message);
        while let Poll::Event(event) = client.poll(now) {
            if let Event::Failed(failure) | Event::Refused { failure, .. } = event {
                let text = failure.to_string();
                assert!(!text.chars().any(char::is_control), "{text:?}");
            }
        }
        now += Duration::from_millis(60);
    }
});
