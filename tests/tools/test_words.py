#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Plants each banned word and each order to a function, and sees tools/words.py report it and nothing else."""

import sys
import unittest
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(PROJECT / "tools"))
import words  # noqa: E402

# What is banned (one sentence per pattern, or per branch of one), and the cure that its message names.
BANNED = (
    ("Whoever leaves picks the next.", "not a person"),
    ("A source that is Nobody's.", "not a person"),
    ("The thread and his stack.", "not a person"),
    ("The packet: who sent it.", "not a person"),
    ("It wakes those who wait.", "not a person"),
    ("It was closed behind our back.", "without a call of ptk"),
    ("The kernel told it twice.", "do not tell"),
    ("Signals heard by all.", "do not hear"),
    ("The caller asked for ten.", "do not ask"),
    ("The slab knows its size.", "does not know"),
    ("Answers the length.", "do not answer"),
    ("The call. Answers what it read.", "do not answer"),
    ("From now on push answers false.", "do not answer"),
    ("All answer 0 or an errno.", "do not answer"),
    ("A call answered PTK_OK.", "do not answer"),
    ("This stands on floor 3.", "'layer'"),
    ("In the next poll turn.", "'tick'"),
    ("Once per turn at most.", "'tick'"),
    ("The socket's turn is taken.", "'gate'"),
    ("A count that is latched.", "'event counter'"),
    ("Inside the lease.", "'pin'"),
    ("The carry is empty.", "'unread bytes'"),
    ("Bytes go into carry first.", "'unread bytes'"),
    ("A hopeful inbox.", "'externally wakeable'"),
    ("Mutant 7.", "'planted bug'"),
    ("An entry of the agenda.", "'event queue'"),
    ("A fault strikes.", "is cancelled"),
    ("Ordered by moment.", "'now'"),
    ("It runs as a ghost.", "'unwinding'"),
    ("In the calm it ends.", "'faults off'"),
    ("A disowned registration.", "'supersede'"),
    ("A timer that feeds a counter.", "'start source'"),
    ("It starves the waitable.", "'stop source'"),
    ("Equips the socket.", "'initialise'"),
    ("Retired stacks.", "'free'"),
    ("See ptk's live_for_ever.", "'run'"),
    ("Back on the root, it polls.", "'main context'"),
    ("Its control block is kept.", "'task'"),
)
# What resembles it and is right.
CLEAN = (
    "Each socket in turn becomes ready.",
    "It turns out well, and in turn returns; the turning point.",
    "It waits its turn.",
    "A segment carries bytes; carry it out. The two carry on.",
    "The answer section of RFC 1035. The server answers the request.",
    "A server that answers every request, and still answers a good request.",
    "ptk_scope_ask and ptk_fd_ask_2 are names.",
    "A known, unknown or well-known port.",
    "The root of the tree. Who owns what.",
    "A segment out of order is answered with an ACK.",
    "A released lock, the other, there, this, then, where.",
    "A hot socket starves the rest: starvation.",
)


class WordsTest(unittest.TestCase):
    def found(self, text: str, path: str = "src/base/ptk_a.c") -> list[str]:
        return [str(violation) for violation in [*words.check_words(path, text), *words.check_first_verbs(path, text)]]

    def assert_found(self, expected: str, text: str, path: str = "src/base/ptk_a.c") -> None:
        found = self.found(text, path)
        self.assertEqual(len(found), 1, found)
        self.assertIn(expected, found[0])

    def test_each_banned_word_with_its_cure(self) -> None:
        for sentence, cure in BANNED:
            with self.subTest(sentence):
                self.assert_found(cure, f"/* {sentence} */\nint a;\n")

    def test_each_word_is_planted_here(self) -> None:
        for word in words.WORDS:
            if set(words.C_FILES) <= set(word.suffixes):
                with self.subTest(word.pattern):
                    self.assertTrue(any(self.found_by(word, sentence) for sentence, _ in BANNED))

    def found_by(self, word: words.Word, sentence: str) -> bool:
        return any(word.cure in violation for violation in self.found(f"// {sentence}\n"))

    def test_what_only_resembles_it(self) -> None:
        for sentence in CLEAN:
            with self.subTest(sentence):
                self.assertEqual(self.found(f"/* {sentence} */\nint a; // {sentence}\n"), [])

    def test_persons_in_markdown(self) -> None:
        self.assertEqual(self.found("For the person who writes a server.\n", "README.md"), [])
        self.assert_found("README.md:2: \"who wait\"", "All are woken\nwho wait.\n", "README.md")
        self.assert_found("those who", "It wakes those who came.\n", "docs/a.md")

    # --- what is prose ---
    def test_strings_and_names_of_tests(self) -> None:
        self.assert_found(':2: "told"', "int a;\nchar *b = \"is told\";\n")
        self.assert_found(':2: "nobody"', "\nTEST(nobody_waits) {\n", "tests/unit/base/test_a.c")

    def test_code_is_no_prose(self) -> None:
        self.assertEqual(self.found('char *a = "he";\n'), [])
        self.assertEqual(self.found('#include "tell.h"\nint told = ask(who, latch);\n'), [])
        self.assertEqual(self.found("The member `latch` counts.\n", "docs/a.md"), [])
        self.assertEqual(self.found("told = ask(root)\n", "tools/a.py"), [])

    def test_python(self) -> None:
        self.assert_found('tools/a.py:2: "told"', 'def a():\n    """Is told."""\n', "tools/a.py")
        self.assert_found('tools/a.py:1: "tells"', "a = 1  # tells\n", "tools/a.py")

    def test_fenced_code_of_markdown(self) -> None:
        self.assert_found(':2: "somebody"', "```c\nint a; // somebody\n```\n", "docs/a.md")

    def test_phrases_go_on_over_lines(self) -> None:
        self.assert_found(':2: "the carry"', "/*\n * It is in the\n * carry.\n */\n")

    def test_files_that_are_not_looked_at(self) -> None:
        for path in ("CHANGELOG.md", "tools/words.py", "cmake/a.txt", "src/a.S", "other/a.c"):
            self.assertEqual(self.found("/* told */\n", path), [])

    def test_words_of_some_folders_only(self) -> None:
        self.assertEqual(self.found("/* The transmission control block. */\n", "sim/kernel/ptk_sim_a.c"), [])
        self.assertEqual(self.found("/* At that moment. */\n", "tests/conformance/test_a.c"), [])

    # --- first words ---
    def test_a_function_is_described_in_the_third_person(self) -> None:
        for text in ("/* Return it. */\nint a(void);\n", "/** Wake all.\n * More. */\nPTK_API void a(int b,\n",
                     "/**\n * Take one. */\nstatic inline int *a(void) {\n", "/** @brief Free it. */\nvoid a(void);\n"):
            for path in ("src/ptk_a.h", "sim/kernel/ptk_sim_a.h", "src/base/ptk_a.c"):
                with self.subTest(text, path=path):
                    self.assert_found("third person", text, path)
                    self.assertEqual(self.found(text, "tests/unit/test_a.c"), [])
        self.assert_found(':2: "Free ..."', "/* Of what follows. */\n/* Free it. */\nvoid a(void);\n")
        self.assert_found(':3: "Free ..."', "\n/*\n * Free it.\n */\nvoid a(void);\n")

    def test_no_order_to_a_function(self) -> None:
        for text in ("/* Returns it. */\nint a(void);\n", "/* Return it. */\nint a;\n", "int a; /* Return it. */\n",
                     "/* Take one. */\ntypedef int (*a)(void);\n", "/* Record of the calls. */\nint a(void);\n",
                     "/* Wait. */\n#define A(b) b\n", "/* Free it. */\n\nint a(void);\n",
                     "/* Signal handler. */\nvoid a(int b);\n", "/* Return both. */\nint a(int c,\n      int d);\nint b(void);\n"):
            with self.subTest(text):
                self.assertEqual(self.found(text), [])

    def test_each_verb_is_an_order(self) -> None:
        for verb in words.IMPERATIVES:
            self.assertRegex(verb, r"^[A-Z][a-z]+$")
            self.assertFalse(verb.endswith("s") and verb[:-1] in words.IMPERATIVES, verb)


if __name__ == "__main__":
    unittest.main()
