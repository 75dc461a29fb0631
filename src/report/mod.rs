//! Renders the results of everything below, and reads saved ones.
