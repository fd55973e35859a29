# fence-broker: GNU make, one file. `make help` lists the targets.
#
#   make                       build/fence_broker, build/fence_brokerd, build/fence-broker-admin, build/pvesim
#   make CC=clang WERROR=1     another compiler, warnings as errors
#   make SAN=address,undefined sanitizer build, in build/san-address-undefined/

VERSION     := 0.1.0
prefix      ?= /usr
sbindir     ?= $(prefix)/sbin
# not in PATH: Pacemaker takes every fence_* there for an agent
libexecdir  ?= $(prefix)/libexec
pkglibexecdir ?= $(libexecdir)/fence-broker
mandir      ?= $(prefix)/share/man
docdir      ?= $(prefix)/share/doc/fence-broker
sysconfdir  ?= /etc
unitdir     ?= $(prefix)/lib/systemd/system
sysusersdir ?= $(prefix)/lib/sysusers.d
tmpfilesdir ?= $(prefix)/lib/tmpfiles.d
catalogdir  ?= $(prefix)/lib/systemd/catalog
completionsdir ?= $(prefix)/share/bash-completion/completions
zshdir      ?= $(prefix)/share/zsh/site-functions
simdir      ?= $(prefix)/share/fence-broker-sim

comma := ,
SAN   ?=
B     := build$(if $(SAN),/san-$(subst $(comma),-,$(SAN)))

SUDO := $(shell [ "$$(id -u)" = 0 ] || echo sudo)

# ---- compiler ---------------------------------------------------------------------------------------
WARN := -Wall -Wextra -Wshadow -Wformat=2 -Wconversion -Wswitch-enum -Wmissing-prototypes -Wstrict-prototypes \
        -Werror=implicit -Werror=format-security
ifdef WERROR
WARN += -Werror
endif
# clang before 16 wants to be asked twice for zeroed variables
ZERO_VARS := -ftrivial-auto-var-init=zero
ifneq ($(shell $(CC) -Werror $(ZERO_VARS) -x c -c -o /dev/null /dev/null 2>&1),)
ZERO_VARS += -enable-trivial-auto-var-init-zero-knowing-it-will-be-removed-from-clang
endif
# x86 alone has it
CF_PROTECTION := -fcf-protection=full
ifneq ($(shell $(CC) -Werror $(CF_PROTECTION) -x c -c -o /dev/null /dev/null 2>&1),)
CF_PROTECTION :=
endif
HARDEN := -fstack-protector-strong -fstack-clash-protection $(CF_PROTECTION) -fPIE \
          $(ZERO_VARS) -fno-delete-null-pointer-checks -fno-strict-overflow
LDHARDEN := -pie -Wl,-z,relro,-z,now,-z,noexecstack,-z,nodlopen
ifeq ($(SAN),)
OPT := -O2 -g -D_FORTIFY_SOURCE=3
else
OPT := -O1 -g -fno-omit-frame-pointer -fsanitize=$(SAN) -fno-sanitize-recover=all
LDHARDEN := -pie -fsanitize=$(SAN)
endif

PKGS_DAEMON := libevent_core libcurl json-c libsystemd openssl liboath
PKGS_PVESIM := libevent_core libevent_openssl json-c openssl
PKGS_ADMIN  := $(PKGS_DAEMON) libxml-2.0
PKGS_UNIT   := $(PKGS_ADMIN) cmocka

# CPPFLAGS, CFLAGS and LDFLAGS are the caller's
OWN_CPPFLAGS := -D_GNU_SOURCE -DFENCE_BROKER_VERSION='"$(VERSION)"' -Idaemon -I.
ALL_CFLAGS = -std=gnu17 $(OPT) $(WARN) $(HARDEN) $(CFLAGS)
pkg_cflags = $(shell pkg-config --cflags $(1) 2>/dev/null)
pkg_libs   = $(shell pkg-config --libs $(1) 2>/dev/null)

# ---- what is built from what --------------------------------------------------------------------------
USERCFG_SRC := $(wildcard daemon/policy/usercfg*.c)
# what only fence-broker-admin links: the daemon has no code that makes users, and of user.cfg the names and the built-in roles
ADMIN_SRC := $(wildcard daemon/admin/*.c) $(filter-out %_names.c %_roles.c,$(USERCFG_SRC))
DAEMON_SRC := $(filter-out $(ADMIN_SRC),$(wildcard daemon/*.c daemon/*/*.c))
CLIENT_SRC := $(wildcard client/*.c)
PVESIM_SRC := $(wildcard tests/pvesim/*.c) $(USERCFG_SRC) $(addprefix daemon/system/,json.c json_text.c text.c)
UNIT_SRC   := $(wildcard tests/unit/test_*.c)

obj = $(patsubst %.c,$(B)/obj/%.o,$(1))
DAEMON_OBJ := $(call obj,$(DAEMON_SRC))
ADMIN_OBJ  := $(call obj,$(ADMIN_SRC))
CLIENT_OBJ := $(call obj,$(CLIENT_SRC))
PVESIM_OBJ := $(call obj,$(PVESIM_SRC))
# everything but main, for fence-broker-admin and the unit tests
ROOMS_OBJ  := $(filter-out %/main.o,$(DAEMON_OBJ) $(ADMIN_OBJ))
CLIENT_ROOMS_OBJ := $(filter-out $(B)/obj/client/main.o,$(CLIENT_OBJ))
# compiled only, so that they keep up with the code; CBMC reads them (make prove)
PROOFS_OBJ := $(patsubst %.c,$(B)/obj/%.o,$(wildcard proofs/*/*.c))
UNIT_BIN   := $(patsubst tests/unit/%.c,$(B)/unit/%,$(UNIT_SRC))

# short lines; V=1 shows the commands
Q := $(if $(V),,@)
say = $(if $(V),,@printf '  %-5s %s\n' '$(1)' '$@')

.PHONY: all deps deps-build deps-demo check check-fast check-san check-trixie check-mutations check-cluster prove demo bench fuzz install install-sim uninstall clean dist distcheck deb check-deb rpm selinux sbom \
        help format check-format check-style check-layers check-citations book \
        unit
.DELETE_ON_ERROR:
.SECONDARY:

all: $(B)/fence_broker $(B)/fence_brokerd $(B)/fence-broker-admin $(B)/pvesim $(B)/tests/dead_host

$(B)/fence_brokerd: $(DAEMON_OBJ)
	$(call say,LINK)
	$(Q)$(CC) $(ALL_CFLAGS) $(LDHARDEN) $(LDFLAGS) -o $@ $^ $(call pkg_libs,$(PKGS_DAEMON))
# what people run has of the daemon's and the client's rooms what its commands take; once it was a link to the daemon, which must not be written through
$(shell [ ! -L $(B)/fence-broker-admin ] || rm $(B)/fence-broker-admin)
$(B)/fence-broker-admin: $(B)/obj/daemon/admin/main.o $(B)/rooms.a $(B)/client.a
	$(call say,LINK)
	$(Q)$(CC) $(ALL_CFLAGS) $(LDHARDEN) $(LDFLAGS) -o $@ $^ $(call pkg_libs,$(PKGS_ADMIN))
# the same with a clock that tests can set
SHIFTED_OBJ := $(filter-out $(B)/obj/daemon/system/clock.o,$(DAEMON_OBJ)) $(B)/obj/tests/e2e/shifted_clock.o
$(B)/shifted/fence_brokerd: $(SHIFTED_OBJ)
	@mkdir -p $(@D)
	$(call say,LINK)
	$(Q)$(CC) $(ALL_CFLAGS) $(LDHARDEN) $(LDFLAGS) -o $@ $^ $(call pkg_libs,$(PKGS_DAEMON))
$(B)/fence_broker: $(CLIENT_OBJ)
	$(call say,LINK)
	$(Q)$(CC) $(ALL_CFLAGS) $(LDHARDEN) $(LDFLAGS) -o $@ $^
$(B)/pvesim: $(PVESIM_OBJ)
	$(call say,LINK)
	$(Q)$(CC) $(ALL_CFLAGS) $(LDHARDEN) $(LDFLAGS) -o $@ $^ $(call pkg_libs,$(PKGS_PVESIM))
$(B)/unit/%: $(B)/obj/tests/unit/%.o $(B)/rooms.a $(B)/client.a
	@mkdir -p $(@D)
	$(call say,LINK)
	$(Q)$(CC) $(ALL_CFLAGS) $(LDHARDEN) $(LDFLAGS) -o $@ $^ $(call pkg_libs,$(PKGS_UNIT))
# the words of the code's tables, for the tests of manuals and catalog
$(B)/tables: $(B)/obj/tests/tables.o $(B)/rooms.a
	$(call say,LINK)
	$(Q)$(CC) $(ALL_CFLAGS) $(LDHARDEN) $(LDFLAGS) -o $@ $^ $(call pkg_libs,$(PKGS_DAEMON))
# the room of dead hosts, fed with recordings: its claims, and the table of doc/dead-hosts.md
DEAD_HOSTS_BIN := $(addprefix $(B)/tests/,dead_host dead_hosts_table)
$(DEAD_HOSTS_BIN): $(B)/tests/%: $(B)/obj/tests/dead_hosts/%.o $(B)/obj/tests/dead_hosts/recording.o $(B)/rooms.a
	@mkdir -p $(@D)
	$(call say,LINK)
	$(Q)$(CC) $(ALL_CFLAGS) $(LDHARDEN) $(LDFLAGS) -o $@ $^ $(call pkg_libs,$(PKGS_DAEMON))
# what asks and measures for the bench
BENCH_BIN := $(addprefix $(B)/bench/,load floor measure)
$(BENCH_BIN): $(B)/bench/%: $(B)/obj/tests/bench/%.o
	@mkdir -p $(@D)
	$(call say,LINK)
	$(Q)$(CC) $(ALL_CFLAGS) $(LDHARDEN) $(LDFLAGS) -o $@ $^ $(call pkg_libs,libcurl)
# the daemon's rooms over a clock and a Proxmox of its own
FLEET_BIN := $(B)/bench/fleet
$(FLEET_BIN): $(B)/obj/tests/bench/fleet.o $(B)/rooms.a
	@mkdir -p $(@D)
	$(call say,LINK)
	$(Q)$(CC) $(ALL_CFLAGS) $(LDHARDEN) $(LDFLAGS) -o $@ $^ $(call pkg_libs,$(PKGS_DAEMON))
$(B)/client.a: $(CLIENT_ROOMS_OBJ)
$(B)/rooms.a: $(ROOMS_OBJ)
$(B)/client.a $(B)/rooms.a:
	@rm -f $@
	$(Q)$(AR) rcs $@ $^

# a change of compiler or flags rebuilds everything
FLAGS_NOW := $(CC) $(ALL_CFLAGS) $(OWN_CPPFLAGS) $(CPPFLAGS)
$(B)/flags: FORCE
	@mkdir -p $(@D); echo '$(FLAGS_NOW)' | cmp -s - $@ || echo '$(FLAGS_NOW)' > $@
.PHONY: FORCE
FORCE:

$(PROOFS_OBJ): OWN_CPPFLAGS += -DONLY_COMPILED -Iproofs -Iproofs/stubs
$(PROOFS_OBJ): CFLAGS += -w
$(PROOFS_OBJ): PKG_CFLAGS = $(DAEMON_CFLAGS)
$(B)/obj/client/%.o: PKG_CFLAGS :=
$(B)/obj/daemon/%.o: PKG_CFLAGS = $(DAEMON_CFLAGS)
$(B)/obj/daemon/admin/%.o: PKG_CFLAGS = $(ADMIN_CFLAGS)
$(B)/obj/tests/%.o: PKG_CFLAGS = $(TEST_CFLAGS)
DAEMON_CFLAGS := $(call pkg_cflags,$(PKGS_DAEMON))
ADMIN_CFLAGS := $(call pkg_cflags,$(PKGS_ADMIN))
TEST_CFLAGS := $(call pkg_cflags,$(PKGS_PVESIM) cmocka)
$(B)/obj/%.o: %.c $(B)/flags
	@mkdir -p $(@D)
	$(call say,CC)
	$(Q)$(CC) $(OWN_CPPFLAGS) $(CPPFLAGS) $(PKG_CFLAGS) $(ALL_CFLAGS) -MMD -MP -c -o $@ $<
-include $(patsubst %.o,%.d,$(DAEMON_OBJ) $(ADMIN_OBJ) $(CLIENT_OBJ) $(PVESIM_OBJ) $(SHIFTED_OBJ) $(call obj,$(UNIT_SRC)) $(B)/obj/tests/tables.o \
         $(FLEET_BIN:$(B)/%=$(B)/obj/tests/%.o) $(BENCH_BIN:$(B)/%=$(B)/obj/tests/%.o) $(call obj,$(wildcard tests/dead_hosts/*.c)))

unit: $(UNIT_BIN) $(PROOFS_OBJ) $(B)/tables $(B)/shifted/fence_brokerd $(BENCH_BIN) $(FLEET_BIN) $(DEAD_HOSTS_BIN) $(if $(SAN),,$(B)/failing_malloc.so $(B)/scaled_clock.so)

# memory that runs out, a clock that runs faster; to be preloaded (sanitizers have a malloc() of their own)
$(B)/%.so: tests/e2e/%.c $(B)/flags
	$(call say,LINK)
	$(Q)$(CC) $(OWN_CPPFLAGS) $(CPPFLAGS) $(filter-out -fPIE,$(ALL_CFLAGS)) -fPIC -fno-builtin -shared $(LDFLAGS) -o $@ $<

# ---- what must be there -----------------------------------------------------------------------------------
# Debian's and Ubuntu's names. BUILD makes the programs; TEST and DEMO are what the two commands of the README use.
APT_BUILD := gcc libc6-dev make pkg-config libevent-dev libcurl4-openssl-dev libjson-c-dev libsystemd-dev libssl-dev liboath-dev \
             uthash-dev libxml2-dev
APT_DEMO  := util-linux procps
APT_TEST  := libcmocka-dev perl bats curl libxml2-utils iproute2 procps util-linux openssl e2fsprogs \
             corosync pacemaker pacemaker-cli-utils fence-agents valgrind man-db mandoc systemd systemd-container dbus crmsh prometheus zsh
# Fedora's names for the same; not tried by the tests.
DNF_BUILD := gcc make pkgconf-pkg-config libevent-devel libcurl-devel json-c-devel systemd-devel openssl-devel liboath-devel uthash-devel libxml2-devel
DNF_DEMO  := util-linux procps-ng
DNF_TEST  := libcmocka-devel perl bats curl libxml2 iproute procps-ng util-linux openssl e2fsprogs \
             corosync pacemaker pacemaker-cli fence-agents-all valgrind man-db mandoc systemd systemd-container dbus crmsh corosync-daemon \
             golang-github-prometheus zsh
# what makes a root of Debian 13, and what is in it beside the above
APT_TRIXIE := mmdebstrap debian-archive-keyring util-linux
DNF_TRIXIE := mmdebstrap debian-keyring util-linux
IN_TRIXIE  := $(APT_BUILD) $(APT_TEST) clang git cbmc

# $(call install-missing,apt names,dnf names)
define install-missing
	@if command -v apt-get >/dev/null; then \
	    missing=$$(for p in $(1); do \
	        dpkg-query -W -f '$${db:Status-Status}\n' $$p 2>/dev/null | grep -qx installed || echo $$p; done); \
	    if [ -n "$$missing" ]; then \
	        echo "installing:" $$missing; \
	        case " $$missing " in *" prometheus "*) ! [ -d /run/systemd/system ] || \
	            { $(SUDO) systemctl -q mask prometheus.service && \
	              echo "prometheus.service is masked: the tests start their own (systemctl unmask prometheus)"; };; esac; \
	        $(SUDO) apt-get -qq update && \
	        $(SUDO) env DEBIAN_FRONTEND=noninteractive apt-get -qq -y --no-install-recommends install $$missing \
	            >$${TMPDIR:-/tmp}/fence-broker-deps.log 2>&1 || { cat $${TMPDIR:-/tmp}/fence-broker-deps.log; exit 1; }; \
	    fi; \
	elif command -v dnf >/dev/null; then \
	    missing=$$(for p in $(2); do rpm -q $$p >/dev/null 2>&1 || echo $$p; done); \
	    [ -z "$$missing" ] || $(SUDO) dnf -q -y install $$missing; \
	else \
	    echo "neither apt-get nor dnf is here; please install what these are in your system: $(1)"; exit 1; \
	fi
endef

deps-build:
	$(call install-missing,$(APT_BUILD),$(DNF_BUILD))
deps-demo:
	$(call install-missing,$(APT_BUILD) $(APT_DEMO),$(DNF_BUILD) $(DNF_DEMO))
deps:
	$(call install-missing,$(APT_BUILD) $(APT_TEST),$(DNF_BUILD) $(DNF_TEST))

# ---- the two commands, and the inner loop -------------------------------------------------------------------
# Each calls make again: pkg-config's answers are known only after the packages are there.
demo: deps-demo
	+@$(MAKE) --no-print-directory all
	@BUILD=$(B) tests/demo

check: deps
	+@$(MAKE) --no-print-directory all unit
	@BUILD=$(B) tests/run all

check-fast:
	+@$(MAKE) --no-print-directory all unit
	@BUILD=$(B) tests/run fast

# the same with AddressSanitizer, LeakSanitizer and UBSan: a daemon that leaks or stumbles ends with another exit status than 0
check-san: deps
	+@$(MAKE) --no-print-directory SAN=address,undefined all unit
	@BUILD=build/san-address-undefined tests/run $(or $(WHAT),all)

# the same on Debian 13, in a root made for it, after a build with its gcc and its clang, warnings as errors; WHAT=fast: the quick ones;
# WHAT='cluster NAME…': check-cluster there
TRIXIE ?= build/trixie
check-trixie:
	$(call install-missing,$(APT_TRIXIE),$(DNF_TRIXIE))
	@$(SUDO) env CI=$(CI) MIRROR=$(MIRROR) tests/trixie/run $(TRIXIE) '$(or $(WHAT),all)' $(IN_TRIXIE)

# every scenario on real clusters of corosync and Pacemaker, with a time line each; make check runs three of them
check-cluster: deps
	+@$(MAKE) --no-print-directory all
	@$(SUDO) env BUILD=$(B) CI=$(CI) tests/cluster/run $(WHAT)

# every part says what it kept, and all are run; each can be run alone: BUILD=build tests/bench/PART
BENCH_PARTS := run floor parallel inventory load rush idle fleet instructions audit cluster
bench: deps
	+@$(MAKE) --no-print-directory all $(BENCH_BIN) $(FLEET_BIN)
	@failed=; for part in $(BENCH_PARTS); do $(SUDO) env BUILD=$(B) tests/bench/$$part || failed="$$failed $$part"; done; \
	    [ -z "$$failed" ] || { echo "not kept, or failed:$$failed"; exit 1; }

# libFuzzer (clang): FUZZ_RUNS inputs each; findings go to tests/fuzz/corpus, where make check runs them for ever
FUZZ_RUNS ?= 10000000
FUZZ_SEED ?= 20251122
FUZZ_FLAGS = -std=gnu17 -O1 -g -fsanitize=fuzzer,address,undefined -fno-sanitize-recover=all $(CPPFLAGS)
$(B)/fuzz/config: tests/fuzz/fuzz_config.c $(wildcard daemon/policy/access*.c daemon/system/config*.c) \
    daemon/system/error.c daemon/system/text.c
$(B)/fuzz/http: tests/fuzz/fuzz_http.c daemon/server/http.c daemon/system/error.c daemon/system/text.c
$(B)/fuzz/%:
	@mkdir -p $(@D)
	$(call say,FUZZ)
	$(Q)clang $(FUZZ_FLAGS) -o $@ $(filter %.c,$^)
fuzz: $(B)/fuzz/config $(B)/fuzz/http
	@for target in config http; do mkdir -p $(B)/fuzz/$$target.found && echo "$$target: $(FUZZ_RUNS) runs" && \
	    $(B)/fuzz/$$target -runs=$(FUZZ_RUNS) -seed=$(FUZZ_SEED) -max_len=8300 -verbosity=0 -print_final_stats=1 \
	        -artifact_prefix=tests/fuzz/corpus/$$target/found- $(B)/fuzz/$$target.found tests/fuzz/corpus/$$target || exit 1; done

check-layers:
	@tests/check-layers
# what comments and tests cite of doc/design.md is there
check-citations:
	@tests/check-citations
# the layout, and no warning of gcc's nor of clang's
check-style:
	$(call install-missing,$(APT_BUILD) $(APT_TEST) clang clang-format,$(DNF_BUILD) $(DNF_TEST) clang clang-tools-extra)
	+@$(MAKE) --no-print-directory check-format
	+@$(MAKE) --no-print-directory WERROR=1 all unit
	+@$(MAKE) --no-print-directory B=$(B)/clang CC=clang WERROR=1 all unit
# each deliberate bug of tests/mutations must make a test fail; make check tries a few of them
check-mutations: deps
	+@$(MAKE) --no-print-directory unit
	@BUILD=$(B) prove tests/mutations/run
# what is proven by CBMC for every run there is, and that each proof fails with the bugs in its code; doc/proof.md
prove: deps-build
	@proofs/run && proofs/run --bugs
check-format:
	@clang-format --dry-run --Werror $(C_FILES)
format:
	clang-format -i $(C_FILES)
	man/fold man/*.[0-9]
C_FILES = $(shell git ls-files '*.c' '*.h')

# ---- installing ---------------------------------------------------------------------------------------------
MAN8 := fence_broker.8 fence_brokerd.8 fence-broker-admin.8
MAN5 := fence-broker.conf.5
MAN7 := fence-broker-metrics.7 fence-broker-screens.7 fence-broker-json.7
PROMETHEUS := $(wildcard conf/prometheus/*)
RUNBOOKS := $(wildcard doc/runbooks/*.md)
BOOK := $(wildcard doc/book/[0-9]*.md)
SCREENS := $(wildcard doc/screens/*)
EXAMPLES := $(wildcard doc/examples/*)
# what README leads to, beside it
TEXTS := README.md SECURITY.md $(addprefix doc/,dead-hosts.md faults.md design.md proof.md benchmarks.md)
UNITS := fence-broker.service fence-broker.socket fence-broker-root.socket fence-broker-metrics.socket \
         fence-broker@.service fence-broker@.socket fence-broker-root@.socket fence-broker-metrics@.socket \
         fence-broker-metrics-proxy.service fence-broker-metrics-proxy.socket \
         fence-broker-textfile.service fence-broker-textfile.timer

install: all
	install -d $(DESTDIR)$(sbindir) $(DESTDIR)$(pkglibexecdir) $(DESTDIR)$(mandir)/man8 $(DESTDIR)$(mandir)/man5 $(DESTDIR)$(mandir)/man7 \
	    $(addprefix $(DESTDIR)$(docdir)/,prometheus grafana runbooks book screens examples) \
	    $(DESTDIR)$(unitdir) $(DESTDIR)$(sysusersdir) $(DESTDIR)$(tmpfilesdir) $(DESTDIR)$(catalogdir) $(DESTDIR)$(completionsdir) $(DESTDIR)$(zshdir)
	install -d -m 0755 $(DESTDIR)$(sysconfdir)/fence-broker
	install -m 0755 $(B)/fence_broker $(B)/fence-broker-admin $(DESTDIR)$(sbindir)/
	install -m 0755 $(B)/fence_brokerd $(DESTDIR)$(pkglibexecdir)/
	sed 's|/usr/libexec/fence-broker/|$(pkglibexecdir)/|; s|/usr/sbin/|$(sbindir)/|' packaging/pacemaker/alert_fence_broker \
	    > $(DESTDIR)$(pkglibexecdir)/alert_fence_broker && chmod 0755 $(DESTDIR)$(pkglibexecdir)/alert_fence_broker
	rm -f $(DESTDIR)$(sbindir)/fence_brokerd # where it was before
	install -m 0644 $(addprefix man/,$(MAN8)) $(DESTDIR)$(mandir)/man8/
	install -m 0644 $(addprefix man/,$(MAN5)) $(DESTDIR)$(mandir)/man5/
	install -m 0644 $(addprefix man/,$(MAN7)) $(DESTDIR)$(mandir)/man7/
	install -m 0644 CHANGELOG LICENSE $(DESTDIR)$(docdir)/
	for text in $(TEXTS); do \
	    sed '/](CONTRIBUTING.md)/d; s|\[CHANGELOG\](CHANGELOG)|CHANGELOG|; s|](doc/|](|g; s|`doc/\([a-z-]*\.md\)`|`\1`|g' $$text > $(DESTDIR)$(docdir)/$${text##*/} && chmod 0644 $(DESTDIR)$(docdir)/$${text##*/} || exit 1; done
	install -m 0644 $(PROMETHEUS) $(DESTDIR)$(docdir)/prometheus/
	sed -i 's|file:///usr/share/doc/fence-broker/|file://$(docdir)/|' $(DESTDIR)$(docdir)/prometheus/fence-broker.rules.yml
	install -m 0644 conf/grafana/fence-broker.json $(DESTDIR)$(docdir)/grafana/
	install -m 0644 $(RUNBOOKS) $(DESTDIR)$(docdir)/runbooks/
	install -m 0644 doc/book/README.md $(BOOK) $(DESTDIR)$(docdir)/book/
	install -m 0644 $(SCREENS) $(DESTDIR)$(docdir)/screens/
	install -m 0644 $(EXAMPLES) $(DESTDIR)$(docdir)/examples/
	for unit in $(UNITS); do \
	    sed 's|/usr/libexec/fence-broker/|$(pkglibexecdir)/|; s|/usr/sbin/|$(sbindir)/|; s|/etc/fence-broker|$(sysconfdir)/fence-broker|g' \
	        systemd/$$unit \
	        > $(DESTDIR)$(unitdir)/$$unit && chmod 0644 $(DESTDIR)$(unitdir)/$$unit || exit 1; done
	install -m 0644 packaging/completion/fence_broker.bash $(DESTDIR)$(completionsdir)/fence_broker
	ln -sf fence_broker $(DESTDIR)$(completionsdir)/fence-broker-admin
	sed 's|/usr/share/bash-completion/completions|$(completionsdir)|' packaging/completion/fence_broker.zsh > $(DESTDIR)$(zshdir)/_fence-broker && \
	    chmod 0644 $(DESTDIR)$(zshdir)/_fence-broker
	install -m 0644 systemd/fence-broker.sysusers $(DESTDIR)$(sysusersdir)/fence-broker.conf
	install -m 0644 systemd/fence-broker.tmpfiles $(DESTDIR)$(tmpfilesdir)/fence-broker.conf
	sed 's|/usr/sbin/|$(sbindir)/|g; s|/etc/fence-broker|$(sysconfdir)/fence-broker|g' systemd/fence-broker.catalog \
	    > $(DESTDIR)$(catalogdir)/fence-broker.catalog && chmod 0644 $(DESTDIR)$(catalogdir)/fence-broker.catalog
	[ -e $(DESTDIR)$(sysconfdir)/fence-broker/fence-broker.conf ] || \
	    install -m 0640 conf/fence-broker.conf $(DESTDIR)$(sysconfdir)/fence-broker/

# pvesim with a cluster to try it on; no part of the broker, and not for production
bindir ?= $(prefix)/bin
install-sim: all
	install -d $(DESTDIR)$(bindir) $(DESTDIR)$(mandir)/man1 $(DESTDIR)$(simdir)
	install -m 0755 $(B)/pvesim $(DESTDIR)$(bindir)/
	install -m 0644 tests/pvesim/pvesim.1 $(DESTDIR)$(mandir)/man1/
	install -m 0644 $(wildcard packaging/sim/*) $(DESTDIR)$(simdir)/

# ---- packages -------------------------------------------------------------------------------------------------
DIST := fence-broker-$(VERSION)
# what git has at HEAD, with its commit's time: the same commit is the same file
dist:
	@mkdir -p $(B)
	$(Q)git archive --format=tar --prefix=$(DIST)/ HEAD | gzip -9n > $(B)/$(DIST).tar.gz
	@cd $(B) && sha256sum $(DIST).tar.gz | tee $(DIST).tar.gz.sha256
# that it builds, passes the quick tests, installs, and goes again
distcheck: dist
	@rm -rf $(B)/distcheck && mkdir -p $(B)/distcheck && tar -xzf $(B)/$(DIST).tar.gz -C $(B)/distcheck
	+@$(MAKE) --no-print-directory -C $(B)/distcheck/$(DIST) WERROR=1 check-fast
	+@$(MAKE) --no-print-directory -C $(B)/distcheck/$(DIST) WERROR=1 install install-sim DESTDIR=$(abspath $(B))/distcheck/root
	+@$(MAKE) --no-print-directory -C $(B)/distcheck/$(DIST) uninstall DESTDIR=$(abspath $(B))/distcheck/root
	@cd $(B)/distcheck/root && left=$$(find . ! -type d ! -path ./etc/fence-broker/fence-broker.conf) && [ -z "$$left" ] || { echo "left behind: $$left"; exit 1; }
	@rm -rf $(B)/distcheck; echo "$(B)/$(DIST).tar.gz is good"

# in clean roots of Debian 12 and Debian 13: build/deb/SUITE/*.deb, with lintian's and blhc's word; TWICE=1 builds each twice and compares
SUITES ?= bookworm trixie
deb:
	$(call install-missing,mmdebstrap debian-archive-keyring util-linux uidmap,mmdebstrap debian-keyring util-linux shadow-utils)
	@MIRROR=$(MIRROR) TWICE=$(TWICE) packaging/deb/build $(B)/deb $(SUITES)
# the .deb's on a machine of their own: installed, configured, fencing, upgraded while a reboot is under way, purged; as root
check-deb: deb
	$(call install-missing,systemd-container,systemd-container)
	@for suite in $(SUITES); do $(SUDO) packaging/deb/try $(B)/deb $$suite || exit 1; done
rpm: dist
	$(call install-missing,rpm rpmlint selinux-policy-dev bzip2,rpm-build rpmlint)
	@packaging/rpm/build $(B)/rpm $(B)/$(DIST).tar.gz $(wildcard $(B)/deb/bookworm/*.deb)
# compiled; then it is linked with the reference policy and looked over
selinux:
	$(call install-missing,selinux-policy-dev selinux-policy-default checkpolicy semodule-utils policycoreutils selinux-utils python3-setools,selinux-policy-devel)
	@mkdir -p $(B)/selinux && cp packaging/selinux/* $(B)/selinux/
	@$(MAKE) --no-print-directory -C $(B)/selinux -f /usr/share/selinux/devel/Makefile fence_broker.pp
	@[ ! -e /usr/share/selinux/default/pacemaker.pp.bz2 ] || packaging/selinux-look $(B)/selinux/fence_broker.pp
# what the programs are linked with, and its licences
sbom: all
	@SOURCE_DATE_EPOCH=$${SOURCE_DATE_EPOCH:-$$(git log -1 --format=%ct 2>/dev/null || echo 0)} \
	    packaging/sbom $(VERSION) $(B)/fence_brokerd $(B)/fence_broker $(B)/fence-broker-admin $(B)/pvesim > $(B)/fence-broker.spdx.json
	@echo $(B)/fence-broker.spdx.json

# The configuration, the secret and the history are yours and stay. Nothing that was enabled is left behind or goes on to run; with DESTDIR
# nothing runs from there.
uninstall:
ifeq ($(DESTDIR),)
	[ ! -d /run/systemd/system ] || { systemctl -q disable $(UNITS); \
	    systemctl stop 'fence-broker*.timer' 'fence-broker*.socket' 'fence-broker*.service'; }
endif
	rm -f $(addprefix $(DESTDIR)$(sbindir)/,fence_broker fence-broker-admin fence_brokerd) \
	    $(addprefix $(DESTDIR)$(mandir)/man8/,$(MAN8)) $(addprefix $(DESTDIR)$(mandir)/man5/,$(MAN5)) \
	    $(addprefix $(DESTDIR)$(mandir)/man7/,$(MAN7)) $(addprefix $(DESTDIR)$(unitdir)/,$(UNITS)) \
	    $(DESTDIR)$(sysusersdir)/fence-broker.conf $(DESTDIR)$(tmpfilesdir)/fence-broker.conf \
	    $(DESTDIR)$(catalogdir)/fence-broker.catalog $(addprefix $(DESTDIR)$(completionsdir)/,fence_broker fence-broker-admin) \
	    $(DESTDIR)$(zshdir)/_fence-broker $(DESTDIR)$(bindir)/pvesim $(DESTDIR)$(mandir)/man1/pvesim.1
	rm -rf $(DESTDIR)$(simdir)
	rm -rf $(DESTDIR)$(docdir) $(DESTDIR)$(pkglibexecdir)
ifeq ($(DESTDIR),)
	[ ! -d /run/systemd/system ] || { systemctl daemon-reload && journalctl -q --update-catalog; }
endif

# the fault table as documentation; committed, and a test fails if it is stale
doc/faults.md: tests/e2e/table tests/data/faults.table tests/data/faults.intro
	@mkdir -p $(@D)
	$(call say,DOC)
	$(Q)tests/e2e/table --markdown > $@

# what the room of dead hosts claims on recordings; committed, and a test fails if it is stale
doc/dead-hosts.md: tests/dead_hosts/intro.md tests/data/pve/ha-timelines.jsonl.gz $(B)/tests/dead_hosts_table
	$(call say,DOC)
	$(Q)(cat tests/dead_hosts/intro.md && $(B)/tests/dead_hosts_table tests/data/pve/ha-timelines.jsonl.gz) > $@

# the chapter of reasons and error codes; committed, and a test fails if it is stale
doc/book/90-words.md: tests/admin/book-words man/fence_brokerd.8 $(B)/tables
	$(call say,DOC)
	$(Q)BUILD=$(B) tests/admin/book-words > $@

# the book as one page; its chapters lead to each other, and to what lies beside their folder
book:
	$(call install-missing,pandoc,pandoc)
	@mkdir -p $(B)/book
	$(Q)for chapter in $(BOOK); do \
	    name=$${chapter##*/}; printf '<a id="%s"></a>\n\n' "$${name%.md}"; \
	    sed -E 's/\]\(([0-9]{2}-[a-z-]+)\.md\)/](#\1)/g; s/\]\([0-9]{2}-[a-z-]+\.md#/](#/g' $$chapter; echo; done | \
	    pandoc --from gfm --to html5 --standalone --self-contained --toc --toc-depth=2 --resource-path=doc/book \
	        --metadata title='The fence-broker book' --metadata lang=en --output $(B)/book/fence-broker.html
	@echo $(B)/book/fence-broker.html

# what is seen of the service under systemd, from a machine that runs (as root); committed
.PHONY: screens
screens: all
	@mkdir -p doc/screens $(B)
	$(Q)BUILD=$(B) $(SUDO) tests/systemd/screens > $(B)/systemd.txt && cp $(B)/systemd.txt doc/screens/systemd.txt

# doc/screens/*.svg, each from a real run (two minutes, as root); committed
.PHONY: pictures
pictures: all
	$(call say,DOC)
	$(Q)$(SUDO) env BUILD=$(B) tests/pictures/make

# the screens of the manual, from a real run; committed, and a test fails if they are stale
.PHONY: man-screens
man-screens: all
	$(call say,DOC)
	$(Q)BUILD=$(B) tests/screens > $(B)/screens.7 && cp $(B)/screens.7 man/fence-broker-screens.7

clean:
	[ ! -d build/trixie ] && [ ! -d build/deb ] || $(SUDO) rm -rf build/trixie build/deb
	rm -rf build

help:
	@echo 'make             build the programs          make demo        the main job against pvesim'
	@echo 'make check       all tests (installs deps)   make check-fast  the quick ones'
	@echo 'make check-san   all tests with sanitizers    make check-trixie  all tests on Debian 13'
	@echo 'make bench       figures, against fence_pve  make install     DESTDIR= prefix= sysconfdir= unitdir='
	@echo 'make check-mutations  that the tests see every bug of a list'
	@echo 'make prove       the machine proofs, with CBMC: doc/proof.md'
	@echo 'make check-cluster    all scenarios on real Pacemaker clusters'
	@echo 'make check-style the layout, and builds without a warning by gcc and clang'
	@echo 'make fuzz        the parsers, with clang: FUZZ_RUNS=N'
	@echo 'make deb         packages for Debian 12 and 13   make check-deb   installs, fences, upgrades and purges them'
	@echo 'make dist        the tarball (distcheck: tried)  make rpm, selinux, sbom'
	@echo 'make man-screens the manual of the screens, anew'
	@echo 'make pictures    doc/screens/*.svg, anew    make book        doc/book as one page of HTML'
	@echo 'make deps        install what is missing     make clean       remove build/'
