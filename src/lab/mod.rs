//! NATs rebuilt from their descriptions: rules, predictions, experiments. Pure and portable but
//! for `kernel`.

#[cfg(target_os = "linux")]
pub mod kernel;
