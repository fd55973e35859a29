# fence-broker: GNU make, one file. `make help` lists the targets.
#
#   make                       build/fence_broker, build/fence_brokerd, build/pvesim
#   make CC=clang WERROR=1     another compiler, warnings as errors
#   make SAN=address,undefined sanitizer build, in build/san-address-undefined/

VERSION     := 0.1.0
prefix      ?= /usr
sbindir     ?= $(prefix)/sbin
mandir      ?= $(prefix)/share/man
docdir      ?= $(prefix)/share/doc/fence-broker
sysconfdir  ?= /etc
unitdir     ?= $(prefix)/lib/systemd/system
sysusersdir ?= $(prefix)/lib/sysusers.d
tmpfilesdir ?= $(prefix)/lib/tmpfiles.d

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
HARDEN := -fstack-protector-strong -fstack-clash-protection -fcf-protection=full -fPIE \
          $(ZERO_VARS) -fno-delete-null-pointer-checks -fno-strict-overflow
LDHARDEN := -pie -Wl,-z,relro,-z,now,-z,noexecstack,-z,nodlopen
ifeq ($(SAN),)
OPT := -O2 -g -D_FORTIFY_SOURCE=3
else
OPT := -O1 -g -fno-omit-frame-pointer -fsanitize=$(SAN) -fno-sanitize-recover=all
LDHARDEN := -pie -fsanitize=$(SAN)
endif

PKGS_DAEMON := libevent_core libcurl json-c libsystemd openssl
PKGS_PVESIM := libevent_core libevent_openssl json-c openssl
PKGS_UNIT   := $(PKGS_DAEMON) cmocka

CPPFLAGS += -D_GNU_SOURCE -DFENCE_BROKER_VERSION='"$(VERSION)"' -Idaemon
ALL_CFLAGS = -std=gnu17 $(OPT) $(WARN) $(HARDEN) $(CFLAGS)
pkg_cflags = $(shell pkg-config --cflags $(1) 2>/dev/null)
pkg_libs   = $(shell pkg-config --libs $(1) 2>/dev/null)

# ---- what is built from what --------------------------------------------------------------------------
USERCFG_SRC := $(wildcard daemon/policy/usercfg*.c)
DAEMON_SRC := $(filter-out $(USERCFG_SRC),$(wildcard daemon/*.c daemon/*/*.c))
CLIENT_SRC := $(wildcard client/*.c)
PVESIM_SRC := $(wildcard tests/pvesim/*.c) $(wildcard daemon/policy/usercfg*.c) daemon/system/json.c
UNIT_SRC   := $(wildcard tests/unit/test_*.c)

obj = $(patsubst %.c,$(B)/obj/%.o,$(1))
DAEMON_OBJ := $(call obj,$(DAEMON_SRC))
CLIENT_OBJ := $(call obj,$(CLIENT_SRC))
PVESIM_OBJ := $(call obj,$(PVESIM_SRC))
# everything but main, for the unit tests
ROOMS_OBJ  := $(filter-out $(B)/obj/daemon/main.o,$(DAEMON_OBJ)) $(call obj,$(USERCFG_SRC))
UNIT_BIN   := $(patsubst tests/unit/%.c,$(B)/unit/%,$(UNIT_SRC))

# short lines; V=1 shows the commands
Q := $(if $(V),,@)
say = $(if $(V),,@printf '  %-5s %s\n' '$(1)' '$@')

.PHONY: all deps check check-fast demo bench install uninstall clean help format check-format check-layers unit
.DELETE_ON_ERROR:
.SECONDARY:

all: $(B)/fence_broker $(B)/fence_brokerd $(B)/pvesim

$(B)/fence_brokerd: $(DAEMON_OBJ)
	$(call say,LINK)
	$(Q)$(CC) $(ALL_CFLAGS) $(LDHARDEN) $(LDFLAGS) -o $@ $^ $(call pkg_libs,$(PKGS_DAEMON))
$(B)/fence_broker: $(CLIENT_OBJ)
	$(call say,LINK)
	$(Q)$(CC) $(ALL_CFLAGS) $(LDHARDEN) $(LDFLAGS) -o $@ $^
$(B)/pvesim: $(PVESIM_OBJ)
	$(call say,LINK)
	$(Q)$(CC) $(ALL_CFLAGS) $(LDHARDEN) $(LDFLAGS) -o $@ $^ $(call pkg_libs,$(PKGS_PVESIM))
$(B)/unit/%: $(B)/obj/tests/unit/%.o $(B)/rooms.a
	@mkdir -p $(@D)
	$(call say,LINK)
	$(Q)$(CC) $(ALL_CFLAGS) $(LDHARDEN) $(LDFLAGS) -o $@ $^ $(call pkg_libs,$(PKGS_UNIT))
$(B)/rooms.a: $(ROOMS_OBJ)
	@rm -f $@
	$(Q)$(AR) rcs $@ $^

# a change of compiler or flags rebuilds everything
FLAGS_NOW := $(CC) $(ALL_CFLAGS) $(CPPFLAGS)
$(B)/flags: FORCE
	@mkdir -p $(@D); echo '$(FLAGS_NOW)' | cmp -s - $@ || echo '$(FLAGS_NOW)' > $@
.PHONY: FORCE
FORCE:

$(B)/obj/client/%.o: PKG_CFLAGS :=
$(B)/obj/daemon/%.o: PKG_CFLAGS = $(DAEMON_CFLAGS)
$(B)/obj/tests/%.o: PKG_CFLAGS = $(TEST_CFLAGS)
DAEMON_CFLAGS := $(call pkg_cflags,$(PKGS_DAEMON))
TEST_CFLAGS := $(call pkg_cflags,$(PKGS_PVESIM) cmocka)
$(B)/obj/%.o: %.c $(B)/flags
	@mkdir -p $(@D)
	$(call say,CC)
	$(Q)$(CC) $(CPPFLAGS) $(PKG_CFLAGS) $(ALL_CFLAGS) -MMD -MP -c -o $@ $<
-include $(patsubst %.o,%.d,$(DAEMON_OBJ) $(CLIENT_OBJ) $(PVESIM_OBJ) $(call obj,$(UNIT_SRC)))

unit: $(UNIT_BIN)
