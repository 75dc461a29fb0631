//! Tokio drivers of the sans-IO floors: the only place outside `lab::kernel` and `cli` with
//! sockets, clocks and random numbers.
