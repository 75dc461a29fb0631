//! A virtual-time network with modelled NATs, links and servers that misbehave.
