//! Which pages may talk to the rooms: browsers say in every request where the page came from.

use tokio_tungstenite::tungstenite::handshake::server::{ErrorResponse, Request, Response};
use tokio_tungstenite::tungstenite::http::{StatusCode, header::ORIGIN};

/// The pages that are let in. Programs that are no browsers send no Origin, and are; without any
/// in the list every page is.
#[derive(Debug, Default)]
pub(super) struct Origins(Vec<String>);

impl Origins {
    pub fn new(allowed: Vec<String>) -> Self {
        Self(allowed)
    }

    #[allow(clippy::result_large_err)] // the library's type
    pub fn check(&self, request: &Request, response: Response) -> Result<Response, ErrorResponse> {
        let mut given = request.headers().get_all(ORIGIN).iter();
        let (origin, second) = (given.next(), given.next());
        let fits = |origin: &[u8]| {
            let mut allowed = self.0.iter();
            allowed.any(|one| one.as_bytes().eq_ignore_ascii_case(origin))
        };
        let is_allowed = self.0.is_empty()
            || origin.is_none_or(|origin| second.is_none() && fits(origin.as_bytes()));
        if is_allowed {
            return Ok(response);
        }
        let mut refusal =
            ErrorResponse::new(Some("this page may not use these rooms\n".to_owned()));
        *refusal.status_mut() = StatusCode::FORBIDDEN;
        Err(refusal)
    }
}
