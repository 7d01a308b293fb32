# SPDX-License-Identifier: MIT
"""Holds the project's texts to plain technical English: banned words, each with its cure, and comments of functions."""

import io
import re
import tokenize
from collections.abc import Iterator
from dataclasses import dataclass

from c_source import Violation, comments_and_strings, line_of

FOLDERS = ("src/", "sim/", "docs/", "examples/", "bench/", "tests/", "tools/", "README.md", "ARCHITECTURE.md")
SUFFIXES = (".c", ".h", ".py", ".md", ".txt")
# These hold the words themselves.
WORD_LISTS = ("tools/words.py", "tests/tools/test_words.py", "tests/tools/test_tidy.py")
C_FILES = (".c", ".h")

@dataclass(frozen=True)
class Word:
    """A banned word or phrase, the files in which it is banned, and the cure."""

    pattern: str
    cure: str
    folders: tuple[str, ...] = FOLDERS
    suffixes: tuple[str, ...] = SUFFIXES


_BEFORE_A_NOUN = r"(?:[Tt]he|[Aa]n?|[Tt]his|[Tt]hat|[Oo]ne|[Nn]o|[Ee]very|[Ee]ach|[Ss]ame|[Oo]lder|[Ee]mpty)"
_BEFORE_A_TURN = (rf"(?:{_BEFORE_A_NOUN}|next|last|free|two|whole|per|what|several|more|socket's|waitable's|"
                  r"direction's)")
_RESULT = (r"(?!(?:[\w']+\s+){1,3}requests?\b)"
           r"(?:an?|the|its|what|how|whether|why|where|if|with|for|true|false|no|nothing|only|like|other|OK|NULL|-?\d+|"
           r"[A-Z]{5,}|-?E[A-Z]+|PTK_\w+|[A-Z]+_[A-Z]+|DONE)\b")
_FUNCTION = (r"(?:calls?|functions?|kernel|poll|accept|recv|receive|send|connect|close|spawn|wait|system|platform|"
             r"table|main|host|fn|it|that|which|may|can|could|must|would|will|should|to|and|not|never|[Aa]ll)")
_AFTER_THE_ROOT = r"(?:[,.;):]|\*/|(?:is|runs|resumes|picks|takes|polls|switches|waits|then|and|or|may)\s)"

_PERSON = "not a person: "
_PROSE = (".md", ".py", ".txt")
_NOT_PYTHON = (".c", ".h", ".md", ".txt")

WORDS: tuple[Word, ...] = (
    # Persons.
    Word(r"(?i)\b(?:whoever|whomever|somebody|nobody|everybody|anybody|someone|everyone|anyone)(?:'s)?\b",
         _PERSON + "name the thread, caller, waiter, peer or packet, or write 'no green thread', 'every waiter'"),
    Word(r"(?i)(?<!\")\b(?:he|his|him|himself|she|hers?)\b(?!\")", _PERSON + "name the thing, or write 'it', 'its'"),
    Word(r"(?i)\bwhom?\b(?!\s+owns?\b)",
         _PERSON + "name the thread, caller, waiter or packet, or write 'that', 'which'", suffixes=C_FILES),
    Word(r"(?<!person )(?<!programmer )(?<!reader )(?<!user )\bwho\s+(?:(?:is|are|still|may|must|might)\s+)*"
         r"(?:wait|park|join|sleep|spin|leav|listen|yield|accept|receiv|send|drive|read|writ|subscrib|behind|runs?\b)"
         r"\w*",
         _PERSON + "write 'waiters', 'the green threads that wait'", suffixes=_PROSE),
    Word(r"\b(?:[Tt]hose|[Aa]ll|[Aa]ny|[Oo]ne|[Ww]akes?|[Ff]or|[Oo]f)\s+who\b",
         _PERSON + "write 'waiters', 'the green threads that ...'", suffixes=_PROSE),
    Word(r"\bbehind\s+\w+(?:'s)?\s+backs?\b", "write what happens: 'outside ptk', 'without a call of ptk'"),
    # Things that speak, listen or think.
    Word(r"(?i)\b(?:tells?|telling|told|untold)\b",
         "things do not tell: write 'reports', 'passes', 'registers', 'shows'; 'distinguishes' for 'tells apart'"),
    Word(r"(?i)\b(?:hears?|hearing|heard)\b",
         "things do not hear: write 'is notified of', 'receives', 'is woken by'"),
    Word(r"(?i)\b(?:asks?|asking|asked)\b", "calls do not ask: write 'calls', 'requests', 'queries', 'requested'"),
    Word(r"(?i)\b(?:knows?|knew|knowing)\b", "code does not know: write 'stores', 'has', 'can determine', 'is set'"),
    # A function returns a value; a server, a device or a peer may answer a request.
    Word(r"(?:^|(?<=[.:;({] )|(?<=\*/ )|(?<=/\* )|(?<=// )|(?<=\*\* ))Answers?\b"
         r"(?=\s+(?:the|with|a|what|how|true|false|whether)\b)|"
         rf"(?<![Ss]erver )(?<![Dd]evice )(?<![Pp]eer )(?<![Rr]esolver )\banswer(?:s|ed|ing)\s+"
         rf"(?!with (?:an?|the) (?:[A-Z]{{3}}\b|challenge|reset|exception))(?={_RESULT})|"
         rf"\b{_FUNCTION}\s+answer\b(?=\s+{_RESULT})|"
         r"\b(?:it|that|which|kernel|call|function)\s+answers\b(?!\s+(?:[\w']+\s+){1,3}requests?\b)|"
         r"\bcalls?\s+answer(?:s|ed)?\b|\b(?:can|may) answer\b(?! (?:a|the) request)",
         "functions do not answer: write 'returns'"),
    # The private terms of the first edition, each with the field's term.
    Word(r"(?i)\bfloors?\b", "write 'layer' (code) or 'baseline' (bench)"),
    Word(r"\b[Pp]oll(?:er's)? turns?\b", "write 'tick'"),
    Word(rf"(?<![Ii]n )\b{_BEFORE_A_TURN}\s+\*?turns?\*?(?!\w)(?!\s+(?:to|into|out|round|the|it|off|on)\b)",
         "write 'tick' (of the scheduler), 'gate' (of a direction), 'round' (of a loop)", suffixes=_NOT_PYTHON),
    Word(r"(?i)\blatch(?:es|ed|ing)?\b", "write 'event counter', 'counts', 'counted'"),
    Word(r"(?i)\bleas(?:es?|ed|ing)\b", "write 'pin', 'pinned'"),
    Word(rf"\b(?:{_BEFORE_A_NOUN}|[Ii]ts)\s+\*?carry\*?(?!\w)(?!\s+(?:out|on)\b)|\b(?:of|into|in|from|but|and) carry\b|"
         r"--- the carry|\bcarry of\b", "write 'unread bytes'"),
    Word(r"(?i)\bhope(?:s|ful|fully|less|d)?\b", "write 'externally wakeable', 'no waker'"),
    Word(r"(?i)\bmutants?\b", "write 'planted bug'"),
    Word(r"(?i)\bagendas?\b", "write 'event queue'"),
    Word(r"(?i)\b(?:strikes?|striking|struck)\b", "an event is cancelled, a fault is injected, a timeout expires"),
    Word(r"(?i)\bmoments?\b", "write 'now', 'time' or 'instant'", folders=("src/", "sim/", "tests/unit/sim/")),
    Word(r"(?i)\bghosts?\b", "write 'unwinding'"),
    Word(r"(?i)\bcalm(?:s|ed)?\b", "write 'faults off'"),
    Word(r"(?i)\bdisown(?:s|ed)?\b", "write 'supersede', 'superseded'"),
    Word(r"\b(?:[Ff]eed(?:s|ing)?|[Ff]ed)\s+(?:it|them|by|a|the)\b|\bwhat feeds\b|"
         r"\b[Ss]tarv(?:es?|ed|ing)\s+(?:it|them|(?:a|the)\s+(?:source|waitable|descriptor|timer|signal|counter))\b",
         "write 'start source', 'stop source' (starvation of a green thread: 'is never scheduled')", suffixes=C_FILES),
    Word(r"(?i)\bequip(?:s|ped|ping)?\b", "write 'initialise', 'set the handle of'"),
    Word(r"(?i)\bretir(?:es?|ed|ing)\b", "write 'free', 'recycle', 'end'"),
    Word(r"(?i)\blive[_ ]for[_ ]ever\b", "write 'run'"),
    Word(rf"\b[Rr]oot (?:context|stack)\b|\b(?:[Tt]he|[Ff]rom) \*?root\*?(?=\s*{_AFTER_THE_ROOT})",
         "write 'main context'",
         folders=("src/", "sim/platform/", "sim/run/", "docs/", "ARCHITECTURE.md", "tests/conformance/")),
    Word(r"(?i)\bcontrol blocks?\b", "write 'task'", suffixes=_NOT_PYTHON,  # not in the simulator: TCP has one
         folders=("src/", "docs/", "bench/", "examples/", "tests/conformance/", "tests/regress/", "ARCHITECTURE.md")),
)

# Verbs of one meaning at the start of a comment: an order, where a function's comment says what the function does.
IMPERATIVES = frozenset(
    """Abort Accept Add Adopt Allocate Append Apply Arm Ask Assert Attach Await Become Begin Bind Block Build Call
    Cancel Carry Change Check Choose Claim Clear Close Collect Compare Compute Connect Continue Convert Copy
    Count Create Cut Decide Deliver Destroy Detach Determine Disarm Discard Do Drain Drop Dump End Enter Erase
    Exchange Expire Fail Fill Find Finish Fix Flush Follow Forget Format Free Generate Get Give Go Grow Guard
    Hand Handle Hold Ignore Initialise Initialize Insert Install Join Keep Kick Kill Leave Let Lock Look Make
    Map Mark Measure Merge Move Note Notify Open Park Parse Pass Pick Poll Pop Prefer Prepare Print Probe
    Promise Push Put Queue Raise Read Receive Recompute Record Recycle Reduce Refuse Register Release Remember
    Remove Rename Repeat Replace Replay Report Reserve Reset Resolve Restore Resume Return Roll Round Run Save
    Say Schedule Search See Send Set Settle Show Shrink Shut Signal Skip Sleep Sort Spawn Split Stand Start Stop
    Store Strike Submit Subscribe Subtract Suspend Switch Take Tell Terminate Test Throw Translate Trim Try Turn
    Undo Unlink Unlock Unmap Unregister Unwind Update Use Visit Wait Wake Walk Watch Withdraw Write Yield""".split())


def _without_stars(text: str) -> str:
    """The text of a comment with the stars that begin its lines blanked, so that phrases go on over lines."""
    return re.sub(r"(?<=\n)([ \t]*)\*(?!\*/|/)", r"\1 ", text)


def _python_texts(text: str) -> Iterator[tuple[int, str]]:
    """Comments and strings of a Python file, each with the line in which it begins."""
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type in (tokenize.COMMENT, tokenize.STRING) or tokenize.tok_name[token.type] == "FSTRING_MIDDLE":
            yield token.start[0], token.string


def _names_of_tests(text: str) -> Iterator[tuple[int, str]]:
    for match in re.finditer(r"^TEST\w*\((\w+)", text, re.MULTILINE):
        yield line_of(text, match.start()), match[1].replace("_", " ")


def texts_of(path: str, text: str) -> Iterator[tuple[int, str]]:
    """What of the file is prose: pieces of text, each with the line in which it begins."""
    if path.endswith(C_FILES):
        for start, piece in comments_and_strings(text):
            yield line_of(text, start), _without_stars(piece)
        yield from _names_of_tests(text)
    elif path.endswith(".py"):
        yield from _python_texts(text)
    else:
        if path.endswith(".md"):  # without spans of code; the fenced blocks stay, they have comments of their own
            text = re.sub(r"(?<!`)`[^`\n]+`(?!`)", lambda match: " " * len(match.group()), text)
        yield 1, text


def check_words(path: str, text: str) -> Iterator[Violation]:
    if not path.startswith(FOLDERS) or not path.endswith(SUFFIXES) or path in WORD_LISTS:
        return
    pieces = list(texts_of(path, text))
    for word in WORDS:
        if not path.startswith(word.folders) or not path.endswith(word.suffixes):
            continue
        for line, piece in pieces:
            for match in re.finditer(word.pattern, piece):
                found = " ".join(match.group().split())
                if found:
                    yield Violation(path, line + piece.count("\n", 0, match.start()), f'"{found}": {word.cure}')


def check_first_verbs(path: str, text: str) -> Iterator[Violation]:
    """The comment right before a function, in the sources of the library and of the simulator."""
    if not path.startswith(("src/", "sim/")) or not path.endswith(C_FILES):
        return
    for match in re.finditer(r"/\*\*?(?!<)(?:(?!\*/).)*\*/[ \t]*\n(?=(?P<next>[^\n]*))", text, re.DOTALL):
        # A function begins at the margin, and is neither a type nor a comment nor a directive.
        if not re.match(r"(?!typedef\b|#|/)\w[^;=]*\(", match["next"]):
            continue
        if re.match(r"\w[^;={}]*;\n(?!typedef\b)\w[^;={}\n]*\(", text[match.end() :]):
            continue  # the comment has several functions as its subject: "Return ..."
        first = re.match(r"/\*\*?[\s*]*(?:@brief\s+|\\brief\s+)?(?P<word>[A-Za-z]+)\b"
                         r"(?!\(|\s+(?:of|is|in|makes|handlers?)\b)", match.group())
        if first is not None and first["word"] in IMPERATIVES:
            yield Violation(path, line_of(text, match.start() + first.start("word")),
                            f'"{first["word"]} ...": begin with a verb in the third person, as in "Returns ..."')
