# natscope. `make lab` and `make test` are all that a fresh Debian machine with make, gcc and a Rust
# toolchain needs: they fetch what is missing (as root), or say the one command to type.

CARGO ?= cargo
NATSCOPE = target/release/natscope
# nft is in /usr/sbin, which is not in every user's PATH
export PATH := $(PATH):/usr/sbin:/sbin

.PHONY: all build lab test check check-targets bench clean install setup setup-test
all: build

build:
	$(CARGO) build --release --locked --bin natscope

# Two hosts behind symmetric NATs, the whole catalogue certified, the classic matrix, and what a relay
# costs: one report in Markdown, and a JSON document for each part (report.json is that of certify).
lab: setup build
	@mkdir -p target/lab
	$(NATSCOPE) lab run lab/scenarios/symmetric.toml \
	  --output target/lab/symmetric.json --output target/lab/symmetric.md
	$(NATSCOPE) lab certify --output target/lab/report.json --output target/lab/certify.md
	$(NATSCOPE) lab matrix --output target/lab/matrix.json --output target/lab/matrix.md \
	  --output target/lab/matrix.xml
	$(NATSCOPE) lab cost --output target/lab/cost.json --output target/lab/cost.md
	@{ echo "# natscope lab"; echo; cat target/lab/symmetric.md; \
	  printf '\n## NATs, as labelled and as measured\n\n'; cat target/lab/certify.md; \
	  printf '\n## Which pairs of NATs connect\n\n'; cat target/lab/matrix.md; \
	  printf '\n## What a relay costs\n\n'; cat target/lab/cost.md; } > target/lab/report.md
	@echo "written: target/lab/report.md, report.json, symmetric.json, matrix.json, cost.json"

# One test at a time: most build networks and measure in real time, and one that is starved by its
# neighbour is told "could not tell". Says at the end which tests were skipped and how many, even when
# another failed.
test: setup-test
	@mkdir -p target && : > target/skipped
	RUST_TEST_THREADS=1 NATSCOPE_SKIPPED="$(CURDIR)/target/skipped" $(CARGO) test --workspace --profile quick --locked; \
	  status=$$?; sh tests/skipped.sh target/skipped; exit $$status

check:
	$(CARGO) fmt --check
	$(CARGO) clippy --workspace --release --locked --all-targets -- -D warnings
	@if $(CARGO) deny --version >/dev/null 2>&1; then \
	  $(CARGO) deny check licenses bans sources; \
	else \
	  echo "cargo-deny is not installed: licences, bans and sources were NOT checked"; \
	  echo "  to check them too: cargo install --locked cargo-deny"; \
	fi

# Clippy for Windows (tests too) and macOS, by a standard library that is built from its source.
check-targets:
	sh tests/targets.sh

bench: setup
	$(CARGO) bench --locked

install:
	$(CARGO) install --locked --path .

clean:
	$(CARGO) clean

# The lab's rules are loaded by nft. Quick when everything is there.
setup:
	@command -v nft >/dev/null || sh tests/setup.sh nftables

# The tests besides build networks of their own, foreign NATs among them.
setup-test: setup
	@for tool in ip iptables sysctl; do command -v $$tool >/dev/null || \
	  { sh tests/setup.sh iproute2 iptables procps; break; }; done
