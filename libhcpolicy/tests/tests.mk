# SPDX-License-Identifier: GPL-2.0
# check: what needs no VM, as it is shipped and once more under the sanitizers.
# selftests/library.c has the rest, on the real hook.
include $(TOP)/bpf-progs/bpf.mk

TESTS    := $(OBJ)/tests
SANITIZE := -fsanitize=address,undefined -fno-sanitize-recover=all
SAMPLES  := $(addprefix $(TESTS)/,sample.bpf.o other.bpf.o broken.bpf.o without-info.bpf.o \
	      without-ops.bpf.o without-member.bpf.o without-params.bpf.o other-info.bpf.o \
	      tagged.bpf.o many.bpf.o newer-kfunc.bpf.o newer-helper.bpf.o newer-field.bpf.o \
	      newer-member.bpf.o newer-flags.bpf.o)
# Each as it is shipped, and sanitized.
UNITS    := $(foreach unit,set tracker stream policy hostile request,$(unit) $(unit)-sanitized)
PROGRAMS := $(addprefix $(TESTS)/,$(UNITS))
TAP      := $(addprefix $(TOP)/selftests/,tap.c tap.h)
TEST_CFLAGS = $(LIB_CFLAGS) -DOBJECTS='"$(TESTS)"'

.PHONY: tests samples
READERS  := $(addprefix $(TESTS)/readers/,stream live)
samples: $(SAMPLES)
tests: $(PROGRAMS) $(SAMPLES) $(READERS) $(TESTS)/.fuzz $(TESTS)/.threads

check: check-abi tests
	$(Q)$(TOP)/scripts/tally $(addprefix $(TESTS)/,$(UNITS)) "tests/fuzz $(TESTS)/fuzz_stream" \
		"tests/threads $(TESTS)/threads" \
		"tests/integrating.sh $(CC) $(TOP)/docs/integrating.md $(LIB)/libhcpset.a -I$(TOP)/include" \
		"tests/install.sh $(CC) $(CXX) $(TESTS)"

# The set, read in another language.
$(READERS): $(TESTS)/readers/%: $(TOP)/docs/readers/%.rs | $(TESTS)/readers
	$(call msg,RUSTC,$@)
	$(Q)env -u MAKEFLAGS $(RUSTC) --edition 2021 -D warnings -O -o $@ $<

$(SAMPLES): tests/sample.bpf.c tests/tests.mk | $(LIBBPF_ARCHIVE)
	$(call bpf_compile,$(@:.o=.d))
$(TESTS)/broken.bpf.o: BPF_CFLAGS += -DBROKEN
$(TESTS)/without-info.bpf.o: BPF_CFLAGS += -DWITHOUT_INFO
$(TESTS)/without-ops.bpf.o: BPF_CFLAGS += -DWITHOUT_OPS
$(TESTS)/without-member.bpf.o: BPF_CFLAGS += -DWITHOUT_MEMBER
$(TESTS)/without-params.bpf.o: BPF_CFLAGS += -DWITHOUT_PARAMS
$(TESTS)/other-info.bpf.o: BPF_CFLAGS += -DOTHER_INFO
$(TESTS)/tagged.bpf.o: BPF_CFLAGS += -DTAGGED
$(TESTS)/many.bpf.o: BPF_CFLAGS += -DMANY
$(TESTS)/newer-kfunc.bpf.o: BPF_CFLAGS += -DNEWER_KFUNC
$(TESTS)/newer-helper.bpf.o: BPF_CFLAGS += -DNEWER_HELPER
$(TESTS)/newer-field.bpf.o: BPF_CFLAGS += -DNEWER_FIELD
$(TESTS)/newer-member.bpf.o: BPF_CFLAGS += -DNEWER_MEMBER
$(TESTS)/newer-flags.bpf.o: BPF_CFLAGS += -DNEWER_FLAGS

$(PROGRAMS): $(wildcard *.h tests/*.h $(TOP)/include/hcpolicy/*.h) $(TAP) $(OBJ)/.flags | $(TESTS)
$(TESTS)/set $(TESTS)/set-sanitized: tests/set.c set.c why.c
$(TESTS)/tracker $(TESTS)/tracker-sanitized: tests/tracker.c tracker.c set.c why.c
$(TESTS)/stream $(TESTS)/stream-sanitized: tests/stream.c stream.c set.c why.c
$(TESTS)/stream $(TESTS)/stream-sanitized: LIBS = -lz
$(TESTS)/policy $(TESTS)/policy-sanitized: tests/policy.c $(POLICY_SRCS) set.c why.c $(LIBBPF_ARCHIVE)
$(TESTS)/hostile $(TESTS)/hostile-sanitized: tests/hostile.c $(POLICY_SRCS) set.c why.c $(LIBBPF_ARCHIVE)
$(TESTS)/request $(TESTS)/request-sanitized: tests/request.c $(POLICY_SRCS) set.c why.c $(LIBBPF_ARCHIVE)
$(addprefix $(TESTS)/,policy policy-sanitized hostile hostile-sanitized request request-sanitized): LIBS = $(LIBBPF_ARCHIVE) $(LIBBPF_LIBS)
$(filter %-sanitized,$(PROGRAMS)): FLAGS = $(SANITIZE)

$(PROGRAMS):
	$(call msg,CC,$@)
	$(Q)$(CC) $(TEST_CFLAGS) $(FLAGS) $(filter %.c,$^) -o $@ $(LIBS) -pthread

# Where the compiler brings no libFuzzer there is no program, and the test says so.
FUZZ := -fsanitize=fuzzer,address,undefined -fno-sanitize-recover=all
$(TESTS)/.fuzz: tests/fuzz_stream.c stream.c set.c why.c $(wildcard *.h $(TOP)/include/hcpolicy/*.h) \
		  $(OBJ)/.flags FORCE | $(TESTS)
	$(Q)if ! echo 'int LLVMFuzzerTestOneInput(void) { return 0; }' | \
			$(CLANG) $(FUZZ) -x c - -o $@ 2>/dev/null; then \
		rm -f $(TESTS)/fuzz_stream; \
	elif [ -n "$(filter-out FORCE,$?)" ] || [ ! -e $(TESTS)/fuzz_stream ]; then \
		rm -f $(TESTS)/fuzz_stream && \
		$(CLANG) $(TEST_CFLAGS) $(FUZZ) $(filter %.c,$^) -o $(TESTS)/fuzz_stream -lz; \
	fi

# The same where it brings no ThreadSanitizer.
# It knows no fences, which makes it see more, not less.
THREADS := -fsanitize=thread -Wno-tsan
$(TESTS)/.threads: tests/threads.c $(TAP) tracker.c $(POLICY_SRCS) set.c why.c $(wildcard *.h tests/*.h \
		  $(TOP)/include/hcpolicy/*.h) $(LIBBPF_ARCHIVE) $(OBJ)/.flags FORCE | $(TESTS)
	$(Q)if ! echo 'int main(void) { return 0; }' | $(CC) $(THREADS) -x c - -o $@ 2>/dev/null; then \
		rm -f $(TESTS)/threads; \
	elif [ -n "$(filter-out FORCE,$?)" ] || [ ! -e $(TESTS)/threads ]; then \
		rm -f $(TESTS)/threads && \
		$(CC) $(TEST_CFLAGS) $(THREADS) $(filter %.c,$^) -o $(TESTS)/threads \
			$(LIBBPF_ARCHIVE) $(LIBBPF_LIBS) -pthread; \
	fi

$(TESTS) $(TESTS)/readers:
	$(Q)mkdir -p $@
