//! NATs rebuilt from their descriptions: rules, predictions, experiments. Pure and portable but
//! for `kernel`.
//!
//! [`catalogue`] reads descriptions, [`plan`] gives a lab of them addresses, [`rules`] writes the
//! nftables text of each box, [`certify`] holds a label against a measurement, and [`scenario`]
//! says what a measurement means. [`test`] builds a lab for a test of any project, and [`skip`] says
//! that a test could not run.

pub mod catalogue;
pub mod certify;
pub mod cost;
pub mod coturn;
pub mod matrix;
pub mod nft_json;
pub mod plan;
pub mod rules;
pub mod scenario;
mod skip;
pub mod system;
pub mod traffic;

#[cfg(target_os = "linux")]
pub mod kernel;
#[cfg(target_os = "linux")]
pub use kernel::testing::{TestLab, test};
pub use skip::{pass_on, skip, skip_named};
