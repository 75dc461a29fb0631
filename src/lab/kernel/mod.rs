//! The lab on a Linux kernel: supervisor, namespaces, links, workers.
